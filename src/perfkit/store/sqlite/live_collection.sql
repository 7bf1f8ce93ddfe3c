-- What was received so far, as one collection; the gaps that were found in it say what is missing.
INSERT INTO collections
    (collector_id, digest, source, kind, imported_at, first_timestamp, last_timestamp, samples, samples_expected, coverage)
VALUES (:id, 'live', 'live', 'live', :now, :first, :last, :new, :new, 100.0)
ON CONFLICT (collector_id, digest) DO UPDATE SET
    imported_at = :now,
    first_timestamp = min(first_timestamp, :first),
    last_timestamp = max(last_timestamp, :last),
    samples = samples + :new,
    (samples_expected, coverage) = (
        SELECT collections.samples + :new + coalesce(sum(missed), 0),
               100.0 * (collections.samples + :new) / max(collections.samples + :new + coalesce(sum(missed), 0), 1)
        FROM quality_events
        WHERE collector_id = :id AND kind = 'gap' AND from_timestamp >= min(first_timestamp, :first) AND to_timestamp <= max(last_timestamp, :last)
    )
