-- What two machines that are compared should have in common. SQLite runs it.
SELECT period_ms, cpus, cpu_model, architecture, memory_mb, kernel, operating_system, instance_type FROM collectors WHERE id = :collector_id
