SELECT EXISTS (SELECT 1 FROM (SELECT timestamp FROM host_metrics WHERE collector_id = :id LIMIT 100) WHERE timestamp % 1000 <> 0)
