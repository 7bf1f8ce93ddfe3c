-- Of the machines whose session or CPUs were among the new lines.
SELECT machine_id, operating_system, kernel, architecture, cpu_model, cpus, memory_mb, cloud_vendor, instance_type, time_zone,
       system_info, session, period_ms, source
FROM sources
WHERE source IN (SELECT source FROM raw JOIN live_after USING (source) WHERE timestamp > after AND subsystem IN ('perfkit/session', '/proc/cpuinfo'))
