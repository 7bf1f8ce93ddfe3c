-- Recordings that lost samples: what is left of each.
UPDATE recordings AS r SET (samples, last_timestamp, last_tick) = (
    SELECT count(*), coalesce(max(timestamp), r.last_timestamp), coalesce(max(tick), r.last_tick)
    FROM samples AS s WHERE s.collector_id = r.collector_id AND s.recording = r.recording
)
WHERE collector_id = :collector_id
