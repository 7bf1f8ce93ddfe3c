-- The CPU of each command that used 1 % of a core or more on average in one of the runs, from `used` into `series`. Where it has no row it used
-- nothing, for that is what a missing row means there.
INSERT INTO series
WITH samples AS (
    SELECT run, timestamp FROM used WHERE device = ''
), commands AS (
    SELECT DISTINCT device
    FROM (SELECT run, device, sum(value) AS total FROM used WHERE device <> '' GROUP BY ALL)
    JOIN (SELECT run, count(*) AS n FROM samples GROUP BY run) USING (run)
    WHERE total >= n
)
SELECT s.run, 'processes.cpu_percent', c.device, s.timestamp, coalesce(u.value, 0)
FROM samples AS s CROSS JOIN commands AS c LEFT JOIN used AS u ON u.run = s.run AND u.device = c.device AND u.timestamp = s.timestamp
