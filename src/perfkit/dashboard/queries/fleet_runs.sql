-- The runs of every machine, and behind each its phases, of which a part lies in [:start, :end]; the newest :most runs.
WITH chosen AS (
    SELECT c.id AS collector, c.sitename AS site, c.machinename AS machine, r.run, r.label, r.from_timestamp, r.to_timestamp
    FROM runs AS r JOIN collectors AS c ON c.id = r.collector_id
    WHERE (:site IS NULL OR c.sitename = :site) AND r.to_timestamp >= :start AND r.from_timestamp <= :end
    ORDER BY r.from_timestamp DESC, c.id, r.run DESC
    LIMIT :most
)
SELECT collector, site, machine, run, label, '' AS phase, from_timestamp, to_timestamp, 'run:' || run AS range FROM chosen
UNION ALL
SELECT c.collector, c.site, c.machine, c.run, c.label, p.phase, p.from_timestamp, p.to_timestamp, 'run:' || c.run || ':' || p.phase
FROM chosen AS c JOIN phases AS p ON p.collector_id = c.collector AND p.run = c.run
