-- A collector has samples from :first to :last (ms) too.
UPDATE collectors SET
    first_timestamp = min(coalesce(first_timestamp, :first), :first),
    last_timestamp = max(coalesce(last_timestamp, :last), :last),
    samples = (SELECT coalesce(sum(samples), 0) FROM recordings WHERE collector_id = :id)
WHERE id = :id
