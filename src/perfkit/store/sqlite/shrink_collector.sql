-- A collector that lost samples: its span and how many are left.
UPDATE collectors SET
    (first_timestamp, last_timestamp) = (SELECT min(timestamp), max(timestamp) FROM samples WHERE collector_id = :collector_id),
    samples = (SELECT coalesce(sum(samples), 0) FROM recordings WHERE collector_id = :collector_id)
WHERE id = :collector_id
