INSERT INTO quality_events VALUES (:collector_id, :since, :until, :kind, :subject, :missed, :detail) ON CONFLICT DO NOTHING
