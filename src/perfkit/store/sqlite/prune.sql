-- Deletes one device's rows in [:start, :until).
DELETE FROM {table} WHERE collector_id = :collector_id AND {device_is}timestamp >= :start AND timestamp < :until
