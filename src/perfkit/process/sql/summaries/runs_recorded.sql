-- What was recorded of each run and phase of one machine: samples, the largest lateness, clock steps and resets in it, and how it ended: with
-- its own end mark, or as its recording did.
SELECT r.run, r.phase, r.label, r.recording, r.from_timestamp, r.to_timestamp, r.open, taken.samples, taken.lateness_ms, happened.clock_steps,
       happened.resets, if(r.marked = 1 AND r.open = 0, 'end mark', o.ended) AS ended
FROM runs AS r
JOIN recordings AS o ON o.machine = r.machine AND o.recording = r.recording
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (s.counted) AS samples, max(s.lateness_ms) AS lateness_ms FROM samples AS s
    WHERE s.machine = r.machine AND s.timestamp BETWEEN r.from_timestamp AND r.to_timestamp
) AS taken
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (q.kind = 'clock_step') AS clock_steps, count(*) FILTER (q.kind = 'reset') AS resets FROM quality AS q
    WHERE q.machine = r.machine AND q.to_timestamp >= r.from_timestamp AND q.to_timestamp <= r.to_timestamp
) AS happened
WHERE r.machine = $machine
ORDER BY r.run, r.phase IS NOT NULL, r.from_timestamp, r.to_timestamp DESC
