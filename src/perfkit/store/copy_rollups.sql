SELECT $collector_id, {keys}timestamp - timestamp % $width AS bucket, count(*), {aggregates}
FROM {table}
WHERE source = $source AND timestamp < $until
GROUP BY {keys}bucket
ORDER BY {keys}bucket
