-- The newest name of each container; ids are looked up one after the other in the key, not by a scan of all samples.
WITH RECURSIVE ids (id) AS (
    SELECT min(container_id) FROM container_metrics WHERE collector_id = :collector
    UNION ALL
    SELECT (SELECT min(container_id) FROM container_metrics WHERE collector_id = :collector AND container_id > ids.id) FROM ids WHERE ids.id IS NOT NULL
)
SELECT id AS container_id, (
    SELECT container_name FROM container_metrics WHERE collector_id = :collector AND container_id = ids.id ORDER BY timestamp DESC LIMIT 1
) AS container_name
FROM ids
WHERE id IS NOT NULL
