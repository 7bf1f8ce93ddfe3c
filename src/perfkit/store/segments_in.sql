SELECT name, from_timestamp, until FROM segments
WHERE collector_id = :collector_id AND table_name = :table_name AND from_timestamp < :end AND until > :start
ORDER BY from_timestamp
