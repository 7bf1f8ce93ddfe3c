-- containers.csv: what each container used.
--
-- Source: cgroup v2 files of each container (Documentation/admin-guide/cgroup-v2.rst) as one JSON object:
--   cpu_usage_usec cpu_user_usec cpu_system_usec cpu_periods cpu_throttled (cpu.stat)  cpu_quota cpu_period (us, cpu.max)
--   memory_current memory_max (B)  memory_inactive_file (B, memory.stat)  io_read_bytes io_write_bytes io_read_ops io_write_ops (io.stat, all
--   devices)  pids_current  inode (of the cgroup: another inode is another cgroup, and no rate spans the two)
WITH reads AS MATERIALIZED (  -- else a filter on a field would parse the JSON again
    SELECT source, timestamp, boot, monotonic, subsystem, from_json(measurement, '{
        "container_id": "VARCHAR", "container_name": "VARCHAR", "runtime": "VARCHAR", "inode": "BIGINT",
        "cpu_usage_usec": "DOUBLE", "cpu_user_usec": "DOUBLE", "cpu_system_usec": "DOUBLE", "cpu_periods": "DOUBLE", "cpu_throttled": "DOUBLE",
        "cpu_quota": "DOUBLE", "cpu_period": "DOUBLE", "memory_current": "BIGINT", "memory_max": "BIGINT", "memory_inactive_file": "BIGINT",
        "io_read_bytes": "BIGINT", "io_write_bytes": "BIGINT", "io_read_ops": "BIGINT", "io_write_ops": "BIGINT", "pids_current": "BIGINT"}') AS c
    FROM raw JOIN samples USING (source, timestamp)
    WHERE starts_with(subsystem, 'container/') AND json_valid(measurement)
), fields AS (
    SELECT source, timestamp, boot, monotonic, unnest(c) FROM reads WHERE c.container_id <> ''
), increase AS (
    SELECT *, cpu_usage_usec - lag(cpu_usage_usec) OVER previous AS usage, cpu_user_usec - lag(cpu_user_usec) OVER previous AS user,
           cpu_system_usec - lag(cpu_system_usec) OVER previous AS system,
           cpu_periods - lag(cpu_periods) OVER previous AS periods, cpu_throttled - lag(cpu_throttled) OVER previous AS throttled,
           io_read_bytes - lag(io_read_bytes) OVER previous AS read, io_write_bytes - lag(io_write_bytes) OVER previous AS written,
           CASE WHEN monotonic IS NOT NULL AND lag(monotonic) OVER previous IS NOT NULL THEN monotonic - lag(monotonic) OVER previous
                ELSE (timestamp - lag(timestamp) OVER previous) / 1000 END AS seconds
    FROM fields
    WINDOW previous AS (PARTITION BY source, boot, container_id, inode ORDER BY coalesce(monotonic, timestamp / 1000))
)
SELECT source, timestamp, container_id,
       coalesce(names.name, nullif(container_name, ''), container_id[:12]) AS container_name,
       coalesce(runtime, '') AS runtime,
       rate(usage, 0, seconds) / 1e4 AS cpu_percent,            -- %, 100 is one core
       rate(user, 0, seconds) / 1e4 AS cpu_user_percent,        -- %, 100 is one core
       rate(system, 0, seconds) / 1e4 AS cpu_system_percent,    -- %, 100 is one core
       memory_current AS memory_current_bytes,                  -- B, page cache inside
       memory_max AS memory_max_bytes,                          -- B, the limit; empty without one
       100 * memory_current / nullif(memory_max, 0) AS memory_percent,           -- % of the limit
       io_read_bytes,                                           -- B since the container started
       io_write_bytes,                                          -- B since the container started
       io_read_ops,                                             -- reads since the container started
       io_write_ops,                                            -- writes since the container started
       pids_current,                                            -- processes and threads
       rate(read, 0, seconds) AS io_read_bytes_per_s,           -- B/s
       rate(written, 0, seconds) AS io_write_bytes_per_s,       -- B/s
       cpu_percent * cpu_period / nullif(cpu_quota, 0) AS cpu_limit_percent,     -- % of the quota; empty without one
       if(periods >= 0, 100 * throttled / nullif(periods, 0), NULL) AS cpu_throttled_percent,  -- % of the enforcement periods that were throttled
       at_least(memory_current - memory_inactive_file, 0) AS memory_working_set_bytes          -- B, without cache that could be dropped at once
FROM increase
LEFT JOIN container_names AS names USING (container_id)
WHERE seconds IS NULL OR seconds > 0
