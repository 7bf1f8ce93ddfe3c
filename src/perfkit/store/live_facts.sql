-- Of the machines whose session or CPUs came anew.
SELECT machine_id, operating_system, kernel, architecture, cpu_model, cpus, memory_mb, cloud_vendor, instance_type, time_zone,
       system_info, session, period_ms, source
FROM sources JOIN live_after USING (source)
WHERE untold
