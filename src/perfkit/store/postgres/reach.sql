INSERT INTO levels (collector_id, width_ms, from_timestamp, until) VALUES (:collector_id, :width, 0, :until)
ON CONFLICT (collector_id, width_ms) DO UPDATE SET until = GREATEST(levels.until, excluded.until)
