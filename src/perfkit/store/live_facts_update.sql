UPDATE collectors
SET (machine_id, operating_system, kernel, architecture, cpu_model, cpus, memory_mb, cloud_vendor, instance_type, time_zone,
     system_info, session, period_ms) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
WHERE id = ?
