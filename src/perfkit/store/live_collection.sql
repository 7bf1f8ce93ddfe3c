INSERT INTO collections
    (collector_id, digest, source, kind, imported_at, first_timestamp, last_timestamp, samples, samples_expected, coverage)
SELECT id, 'live', 'live', 'live', :now, first_timestamp, last_timestamp, samples, samples + missed, 100.0 * samples / max(samples + missed, 1)
FROM (
    SELECT *, (SELECT coalesce(sum(missed), 0) FROM quality_events WHERE collector_id = id AND kind = 'gap') AS missed
    FROM collectors WHERE id = :id
)
WHERE true
ON CONFLICT (collector_id, digest) DO UPDATE SET
    imported_at = excluded.imported_at, first_timestamp = excluded.first_timestamp, last_timestamp = excluded.last_timestamp,
    samples = excluded.samples, samples_expected = excluded.samples_expected, coverage = excluded.coverage
