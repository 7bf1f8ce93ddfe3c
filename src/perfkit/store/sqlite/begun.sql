-- When a recording began, where its first sample is among those at or after :after (ms); what was pruned has its gaps.
SELECT (
    SELECT begun_timestamp FROM recordings AS r
    WHERE collector_id = :collector_id AND recording = :recording AND begun_timestamp >= :pruned AND NOT EXISTS (
        SELECT 1 FROM samples AS s
        WHERE s.collector_id = r.collector_id AND s.recording = r.recording AND s.timestamp >= r.begun_timestamp AND s.timestamp < :after
    )
)
