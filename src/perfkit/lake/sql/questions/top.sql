-- The machines and devices of which a metric is worst, with the run in which it was so.
WITH chosen AS (
    SELECT site, machine, COLUMNS([$device])::VARCHAR AS device, timestamp, COLUMNS([$column])::DOUBLE AS value
    FROM query_table($table)
    WHERE ($start IS NULL OR timestamp >= make_timestamptz($start * 1000)) AND ($end IS NULL OR timestamp <= make_timestamptz($end * 1000))
), figures AS (
    SELECT site, machine, if($device = 'machine', '', device) AS device, count(value) AS samples, min(value) AS min, avg(value) AS avg,
           quantile_cont(value, 0.5) AS p50, quantile_cont(value, 0.95) AS p95, quantile_cont(value, 0.99) AS p99, max(value) AS max,
           if($lowest, arg_min(timestamp, value), arg_max(timestamp, value)) AS worst_at
    FROM chosen
    WHERE value IS NOT NULL
    GROUP BY ALL
), ranked AS (
    SELECT *, if($lowest, -1, 1) * CASE $by WHEN 'avg' THEN avg WHEN 'p50' THEN p50 WHEN 'p99' THEN p99 WHEN 'max' THEN if($lowest, min, max) ELSE p95 END
           AS weight
    FROM figures
    ORDER BY weight DESC, site, machine, device
    LIMIT $top
), placed AS (
    SELECT f.*, max(r.timestamp) AS began
    FROM ranked AS f
    LEFT JOIN runs AS r ON r.site = f.site AND r.machine = f.machine AND r.phase IS NULL AND f.worst_at BETWEEN r.timestamp AND r.to_timestamp
    GROUP BY ALL
)
SELECT site, machine, device, samples, min, avg, p50, p95, p99, max, worst_at,
       site || '/' || machine || '@' || strftime(began AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') AS run
FROM placed
ORDER BY weight DESC, site, machine, device
