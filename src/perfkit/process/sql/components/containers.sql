-- containers.csv: what each container used. The numbers are those of cgroups.sql.
SELECT machine, timestamp, id AS container_id,
       coalesce(names.name, nullif(container_name, ''), id[:12]) AS container_name,
       coalesce(runtime, '') AS runtime,
       cpu_percent, cpu_user_percent, cpu_system_percent, memory_current_bytes, memory_max_bytes, memory_percent, io_read_bytes, io_write_bytes, io_read_ops,
       io_write_ops, pids_current, io_read_bytes_per_s, io_write_bytes_per_s, cpu_limit_percent, cpu_throttled_percent, memory_working_set_bytes, oom_kills, why
FROM cgroups_of('container/')
LEFT JOIN container_names AS names ON names.container_id = id
