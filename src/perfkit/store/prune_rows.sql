DELETE FROM {table} WHERE collector_id = :collector_id AND {device_is}timestamp >= :start AND timestamp < :until
