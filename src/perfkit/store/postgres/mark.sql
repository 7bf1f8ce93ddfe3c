INSERT INTO marks VALUES (:collector_id, :timestamp, :kind, :label) ON CONFLICT DO NOTHING
