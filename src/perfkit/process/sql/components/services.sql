-- services.csv: what each of systemd's services, each user's slice and each pod used, where it used any CPU. The numbers are those of cgroups.sql.
--
-- A sample without a row of a service is one in which that service did nothing.
SELECT machine, timestamp, id AS service, cpu_percent, cpu_user_percent, cpu_system_percent, memory_current_bytes, memory_max_bytes, memory_percent,
       io_read_bytes, io_write_bytes, io_read_ops, io_write_ops, pids_current, io_read_bytes_per_s, io_write_bytes_per_s, cpu_limit_percent,
       cpu_throttled_percent, memory_working_set_bytes, oom_kills, why
FROM cgroups_of('service/')
