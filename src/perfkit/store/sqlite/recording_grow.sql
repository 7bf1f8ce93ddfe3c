-- A recording of which more is known now: the later part tells how it ended. `samples` counts on, whatever was pruned.
UPDATE recordings SET
    ended = CASE WHEN ended IS NULL OR :to_timestamp >= to_timestamp THEN coalesce(:ended, ended) ELSE ended END,
    from_timestamp = min(from_timestamp, :from_timestamp),
    to_timestamp = max(to_timestamp, :to_timestamp),
    last_timestamp = max(last_timestamp, :last_timestamp),
    begun_timestamp = coalesce(begun_timestamp, :begun_timestamp),
    boot_id = coalesce(boot_id, :boot_id),
    period_ms = coalesce(:period_ms, period_ms),
    duration = coalesce(:duration, duration),
    samples = samples + :new,
    last_tick = max(last_tick, :last_tick),
    due_tick = max(coalesce(due_tick, :due_tick), coalesce(:due_tick, due_tick)),
    largest_lateness_ms = max(coalesce(largest_lateness_ms, :largest_lateness_ms), coalesce(:largest_lateness_ms, largest_lateness_ms))
WHERE collector_id = :collector_id AND recording = :number
