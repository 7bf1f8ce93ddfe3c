-- The machines and devices of which a metric is worst, each with the run in which it was so.
-- The figures are of that run; what was recorded outside of any run counts as one without a name.
WITH chosen AS (
    SELECT site, machine, COLUMNS([$device])::VARCHAR AS device, timestamp, COLUMNS([$column])::DOUBLE AS value
    FROM query_table($table)
    WHERE ($start IS NULL OR timestamp >= make_timestamptz($start * 1000)) AND ($end IS NULL OR timestamp <= make_timestamptz($end * 1000))
), spans AS (
    SELECT site, machine, timestamp AS began, to_timestamp AS ended FROM runs WHERE phase IS NULL
), figures AS (
    SELECT c.site, c.machine, if($device = 'machine', '', c.device) AS device, if(c.timestamp <= s.ended, s.began, NULL) AS began,
           count(value) AS samples, min(value) AS min, avg(value) AS avg, quantile_cont(value, [0.5, 0.95, 0.99]) AS p, max(value) AS max
    FROM chosen AS c ASOF LEFT JOIN spans AS s ON s.site = c.site AND s.machine = c.machine AND s.began <= c.timestamp
    WHERE value IS NOT NULL
    GROUP BY ALL
), weighed AS (
    SELECT *, if($lowest, -1, 1) * CASE $by WHEN 'avg' THEN avg WHEN 'p50' THEN p[1] WHEN 'p99' THEN p[3] WHEN 'max' THEN if($lowest, min, max)
           ELSE p[2] END AS weight
    FROM figures
    QUALIFY row_number() OVER (PARTITION BY site, machine, device ORDER BY weight DESC, began DESC) = 1
)
SELECT site, machine, device, samples, min, avg, p[1] AS p50, p[2] AS p95, p[3] AS p99, max,
       site || '/' || machine || '@' || strftime(began AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') AS run
FROM weighed
ORDER BY weight DESC, site, machine, device
LIMIT $top
