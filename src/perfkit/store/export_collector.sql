SELECT id, machinename, sitename, machine_id, operating_system, kernel, architecture, cpu_model, cpus, memory_mb, cloud_vendor, instance_type,
       time_zone, system_info, session, period_ms
FROM collectors
WHERE (machinename = :name OR CAST(id AS TEXT) = :name) AND (:site IS NULL OR sitename = :site)
ORDER BY machinename = :name DESC
