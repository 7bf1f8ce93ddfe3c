-- Smallest, mean and largest value of each metric in the buckets that end before $until; one row per device and bucket.
SELECT $collector_id, COLUMNS($keys), count(*) AS samples, min(COLUMNS($metrics)) AS '\0_min', avg(COLUMNS($metrics)) AS '\0_avg', max(COLUMNS($metrics)) AS '\0_max'
FROM (
    SELECT * REPLACE (timestamp - timestamp % $width AS timestamp) FROM query_table($table) WHERE machine = $machine AND timestamp < $until
)
GROUP BY ALL
ORDER BY COLUMNS($keys)
