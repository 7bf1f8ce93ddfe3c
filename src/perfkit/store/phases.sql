-- A phase lasts from its start mark to the next end mark of the same label, or to the last sample.
SELECT 'phase:' || s.label, s.timestamp, coalesce(
    (SELECT min(e.timestamp) FROM marks e WHERE e.collector_id = s.collector_id AND e.kind = 'end' AND e.label = s.label AND e.timestamp >= s.timestamp),
    :last
)
FROM marks s
WHERE s.collector_id = :collector_id AND s.kind = 'start'
ORDER BY s.timestamp
