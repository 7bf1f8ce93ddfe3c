-- Something that changes with every sample, mark and quality event of a collector, and with what load tools reported.
SELECT printf('%d-%d-%d-%d-%d', c.last_timestamp, c.samples,
    (SELECT count(*) FROM marks WHERE collector_id = c.id),
    (SELECT count(*) FROM quality_events WHERE collector_id = c.id),
    (SELECT count(*) FROM load_runs WHERE collector_id = c.id)) AS version
FROM collectors AS c
WHERE c.id = :collector
