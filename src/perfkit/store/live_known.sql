SELECT coalesce(last_timestamp, -1), coalesce((SELECT last_timestamp FROM collections WHERE collector_id = :id AND digest = 'live'), -1)
FROM collectors WHERE id = :id
