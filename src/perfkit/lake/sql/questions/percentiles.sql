-- Exact percentiles of a metric over every sample of the machines, per device.
WITH chosen AS (
    SELECT site, machine, COLUMNS([$device])::VARCHAR AS device, COLUMNS([$column])::DOUBLE AS value
    FROM query_table($table)
    WHERE ($start IS NULL OR timestamp >= make_timestamptz($start * 1000)) AND ($end IS NULL OR timestamp <= make_timestamptz($end * 1000))
), figures AS (
    SELECT if($device = 'machine', '', device) AS device, count(DISTINCT (site, machine)) AS machines, count(value) AS samples, min(value) AS min,
           avg(value) AS avg, max(value) AS max, quantile_cont(value, [0.5, 0.9, 0.95, 0.99]) AS p
    FROM chosen
    WHERE value IS NOT NULL
    GROUP BY ALL
)
SELECT device, machines, samples, min, avg, max, p[1] AS p50, p[2] AS p90, p[3] AS p95, p[4] AS p99
FROM figures
ORDER BY try_cast(device AS INTEGER) NULLS FIRST, device
