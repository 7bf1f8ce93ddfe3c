-- The machines and devices of which a metric is worst, each with the run in which it was so; the figures are of that run. `weight` is what
-- they are ordered by, the greatest first.
WITH figures AS (
    SELECT c.id AS collector, c.sitename AS site, c.machinename AS machine, p.device, r.run, r.label, r.from_timestamp, r.to_timestamp,
           p.samples, p.min, p.avg, p.p50, p.p95, p.p99, p.max, {weight} AS weight
    FROM runs AS r
    JOIN collectors AS c ON c.id = r.collector_id
    CROSS JOIN percentiles AS p ON p.collector_id = r.collector_id AND p.range = 'run:' || r.run AND p.metric = :metric
    WHERE (:site IS NULL OR c.sitename = :site) AND r.to_timestamp >= :start AND r.from_timestamp <= :end
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY collector, device ORDER BY weight DESC, from_timestamp DESC) AS place FROM figures
)
SELECT collector, site, machine, device, run, label, from_timestamp, to_timestamp, samples, min, avg, p50, p95, p99, max
FROM ranked
WHERE place = 1
ORDER BY weight DESC, site, machine, device
LIMIT :top
