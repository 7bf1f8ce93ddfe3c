-- A metric by machine and time: its average and its peak in each bucket.
WITH chosen AS (
    SELECT site, machine, timestamp, COLUMNS([$column])::DOUBLE AS value
    FROM query_table($table)
    WHERE ($start IS NULL OR timestamp >= make_timestamptz($start * 1000)) AND ($end IS NULL OR timestamp <= make_timestamptz($end * 1000))
)
SELECT site, machine, make_timestamptz(epoch_ms(timestamp) // $bucket * $bucket * 1000) AS bucket, count(value) AS samples, avg(value) AS avg,
       max(value) AS max
FROM chosen
WHERE value IS NOT NULL
GROUP BY ALL
ORDER BY site, machine, bucket
