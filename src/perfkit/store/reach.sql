INSERT INTO levels (collector_id, width_ms, from_timestamp, until) VALUES (:collector_id, :width, :from, :until)
ON CONFLICT DO UPDATE SET until = max(until, excluded.until), from_timestamp = max(from_timestamp, excluded.from_timestamp)
