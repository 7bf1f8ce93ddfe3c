SELECT from_timestamp, to_timestamp, kind, subject, missed, detail
FROM quality_events WHERE collector_id = :id AND from_timestamp < :until AND to_timestamp >= :since ORDER BY from_timestamp
