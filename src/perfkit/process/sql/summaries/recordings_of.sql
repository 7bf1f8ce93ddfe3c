-- The recordings of one machine, in their order.
SELECT recording, identity, boot_id, from_timestamp, to_timestamp, last_timestamp, period_ms, duration, samples, last_tick, due_tick, largest_lateness_ms,
       ended, begun_timestamp
FROM recordings WHERE machine = $machine ORDER BY recording
