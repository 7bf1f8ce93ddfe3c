-- The quality events of the window, newest last.
SELECT from_timestamp, to_timestamp, kind, subject, missed, detail, recording
FROM quality_events
WHERE collector_id = :collector AND to_timestamp >= :start AND from_timestamp <= :end
ORDER BY from_timestamp
LIMIT 2000
