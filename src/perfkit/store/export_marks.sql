SELECT timestamp, kind, label FROM marks WHERE collector_id = :id AND timestamp >= :since AND timestamp < :until ORDER BY timestamp
