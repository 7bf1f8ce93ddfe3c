-- The recordings of a collector that have samples in [:start, :end], clipped to it.
SELECT r.recording, r.identity, r.boot_id, max(r.from_timestamp, :start) AS from_timestamp, min(r.to_timestamp, :end) AS to_timestamp,
       s.last_timestamp, r.period_ms, r.duration, s.samples, s.last_tick, CASE WHEN r.to_timestamp <= :end THEN r.due_tick END AS due_tick,
       s.largest_lateness_ms, CASE WHEN r.to_timestamp <= :end THEN r.ended END AS ended,
       CASE WHEN r.begun_timestamp >= :start THEN r.begun_timestamp END AS begun_timestamp
FROM recordings AS r
JOIN (
    SELECT recording, count(*) AS samples, max(timestamp) AS last_timestamp, max(tick) AS last_tick, max(lateness_ms) AS largest_lateness_ms
    FROM samples WHERE collector_id = :collector_id AND timestamp BETWEEN :start AND :end GROUP BY recording
) AS s ON s.recording = r.recording
WHERE r.collector_id = :collector_id
ORDER BY r.recording
