-- One device's samples in [:start, :until).
SELECT collector_id, timestamp, {keys}{columns} FROM {table}
WHERE collector_id = :collector_id AND {device_is}timestamp >= :start AND timestamp < :until
