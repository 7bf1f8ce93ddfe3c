-- How busy the CPUs were: everything but idle and waiting for I/O, in %. P95 lies between the two neighbours of its rank,
-- which are looked for from the top: SQLite then keeps a twentieth of the values in order instead of all.
WITH busy AS MATERIALIZED (
    SELECT min(100.0, max(0.0, 100.0 - cpu_idle - cpu_iowait)) AS value
    FROM host_metrics
    WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end AND cpu_idle IS NOT NULL
),
size AS (SELECT count(*) AS n, min(value) AS least, avg(value) AS mean, max(value) AS most FROM busy),
around AS (SELECT value FROM busy ORDER BY value DESC LIMIT 2 OFFSET (SELECT max(0, n - 2 - CAST((n - 1) * 0.95 AS INTEGER)) FROM size))
SELECT
    'host.cpu_busy' AS metric, '' AS device, n AS samples, least AS min, mean AS avg, most AS max,
    (SELECT min(value) + (max(value) - min(value)) * ((n - 1) * 0.95 - CAST((n - 1) * 0.95 AS INTEGER)) FROM around) AS p95
FROM size
WHERE n > 0
