WITH samples AS (
{parts})
SELECT device, {measures}
FROM samples
GROUP BY device
ORDER BY device
