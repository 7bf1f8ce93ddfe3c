-- One device's samples as they are.
SELECT timestamp, 1, {sampled}
FROM {table}
WHERE collector_id = :collector_id AND {device_is}timestamp >= :start AND timestamp < :end
ORDER BY timestamp
