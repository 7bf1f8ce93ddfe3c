-- Every collector with what its row in the list shows. Coverage is samples there, in % of those there and missing, as in every certificate.
SELECT
    c.id, c.machinename, c.sitename, c.cpu_model, c.cpus, c.memory_mb, c.operating_system, c.kernel, c.architecture,
    c.cloud_vendor, c.instance_type, c.time_zone, c.period_ms, c.first_timestamp, c.last_timestamp, c.samples,
    100.0 * c.samples / nullif(c.samples + (SELECT coalesce(sum(q.missed), 0) FROM quality_events AS q WHERE q.collector_id = c.id AND q.kind = 'gap'), 0) AS coverage,
    (SELECT count(*) FROM quality_events AS q WHERE q.collector_id = c.id AND q.kind = 'gap') AS gaps,
    (SELECT max(n.imported_at) FROM collections AS n WHERE n.collector_id = c.id) AS imported_at,
    EXISTS (SELECT 1 FROM collections AS n WHERE n.collector_id = c.id AND n.kind = 'live') AS streamed
FROM collectors AS c
ORDER BY c.last_timestamp DESC, c.machinename
