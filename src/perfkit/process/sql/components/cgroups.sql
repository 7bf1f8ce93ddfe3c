-- What each control group used: the one reading of the JSON lines of containers ('container/...') and services ('service/...').
--
-- Source: the cgroup's files (Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/) as one JSON object:
--   cpu_usage_usec cpu_user_usec cpu_system_usec cpu_periods cpu_throttled (cpu.stat)  cpu_quota cpu_period (us, cpu.max)
--   memory_current memory_max (B)  memory_inactive_file (B, memory.stat)  io_read_bytes io_write_bytes io_read_ops io_write_ops (io.stat, all
--   devices)  pids_current  memory_oom_kills (memory.events: processes killed at its memory limit)  inode (of the cgroup: another inode is another cgroup, and no rate spans the two)
--   before  when a service was looked at before that, and had not changed (s, monotonic clock)
CREATE OR REPLACE MACRO cgroups_of(prefix) AS TABLE
WITH reads AS MATERIALIZED (  -- else a filter on a field would parse the JSON again
    SELECT machine, timestamp, stretch, monotonic, clock, subsystem, from_json(measurement, '{
        "container_id": "VARCHAR", "container_name": "VARCHAR", "runtime": "VARCHAR", "unit": "VARCHAR", "inode": "DOUBLE",
        "cpu_usage_usec": "DOUBLE", "cpu_user_usec": "DOUBLE", "cpu_system_usec": "DOUBLE", "cpu_periods": "DOUBLE", "cpu_throttled": "DOUBLE",
        "cpu_quota": "DOUBLE", "cpu_period": "DOUBLE", "memory_current": "DOUBLE", "memory_max": "DOUBLE", "memory_inactive_file": "DOUBLE",
        "io_read_bytes": "DOUBLE", "io_write_bytes": "DOUBLE", "io_read_ops": "DOUBLE", "io_write_ops": "DOUBLE", "pids_current": "DOUBLE",
        "cpu_pressure_usec": "DOUBLE", "memory_oom_kills": "DOUBLE", "before": "DOUBLE"}') AS c
    FROM raw JOIN samples USING (machine, timestamp)
    WHERE starts_with(subsystem, prefix) AND is_flat_object(measurement)
), fields AS (
    SELECT * EXCLUDE (c), unnest(c), coalesce(nullif(c.container_id, ''), nullif(c.unit, ''), subsystem) AS id FROM reads WHERE c IS NOT NULL
), steps AS (
    SELECT fields.*, m.cpus, lag(id) OVER of_id IS NOT NULL AND inode IS DISTINCT FROM lag(inode) OVER of_id AS is_another, seconds_between(coalesce(before, lag(monotonic) OVER previous), monotonic, lag(timestamp) OVER previous, timestamp) AS seconds,
           lag(cpu_usage_usec) OVER previous AS usage_before, lag(cpu_user_usec) OVER previous AS user_before,
           lag(cpu_system_usec) OVER previous AS system_before, lag(cpu_periods) OVER previous AS periods_before,
           lag(cpu_throttled) OVER previous AS throttled_before, lag(io_read_bytes) OVER previous AS read_before,
           lag(io_write_bytes) OVER previous AS written_before, lag(cpu_pressure_usec) OVER previous AS stalled_before,
           -- What has no rate. A limit may go.
           list_count([memory_current, memory_inactive_file, memory_oom_kills, pids_current, io_read_ops, io_write_ops]) AS told,
           lag(told) OVER previous AS told_before
    FROM fields
    LEFT JOIN cores AS m ON m.machine = fields.machine
    WINDOW previous AS (PARTITION BY fields.machine, stretch, id, inode ORDER BY clock), of_id AS (PARTITION BY fields.machine, stretch, id ORDER BY clock)
), rates AS (
    SELECT *, rate(cpu_usage_usec, usage_before, seconds) / 1e4 AS told_percent, rate(cpu_user_usec, user_before, seconds) / 1e4 AS told_user,
           rate(cpu_system_usec, system_before, seconds) / 1e4 AS told_system,
           sane(memory_current) > 1.1 * sane(memory_max) AS is_above_limit  -- a limit that was lowered is passed by a little
    FROM steps
)
SELECT machine, timestamp, id, container_name, runtime,
       share_of_cores(told_percent, cpus, seconds) AS cpu_percent,                  -- %, 100 is one core
       share_of_cores(told_user, cpus, seconds) AS cpu_user_percent,                -- %, 100 is one core
       share_of_cores(told_system, cpus, seconds) AS cpu_system_percent,            -- %, 100 is one core
       whole_bytes(memory_current) AS memory_current_bytes,                         -- B, page cache inside
       whole_bytes(memory_max) AS memory_max_bytes,                                 -- B, the limit; empty without one
       if(is_above_limit, NULL, 100 * sane(memory_current) / nullif(sane(memory_max), 0)) AS memory_percent,  -- % of the limit
       whole_bytes(io_read_bytes) AS io_read_bytes,                                 -- B since the cgroup's start
       whole_bytes(io_write_bytes) AS io_write_bytes,                               -- B since the cgroup's start
       whole_bytes(io_read_ops) AS io_read_ops,                                     -- reads since the cgroup's start
       whole_bytes(io_write_ops) AS io_write_ops,                                   -- writes since the cgroup's start
       whole_bytes(pids_current) AS pids_current,                                   -- processes and threads
       rate(io_read_bytes, read_before, seconds) AS io_read_bytes_per_s,            -- B/s
       rate(io_write_bytes, written_before, seconds) AS io_write_bytes_per_s,       -- B/s
       cpu_percent * nullif(sane(cpu_period), 0) / nullif(sane(cpu_quota), 0) AS cpu_limit_percent, -- % of the quota; empty without one
       if(increase(cpu_periods, periods_before) > 0,
          part_of(100 * increase(cpu_throttled, throttled_before) / (cpu_periods - periods_before), 100), NULL) AS cpu_throttled_percent,                                                -- % of the enforcement periods that were throttled
       whole_bytes(at_least(sane(memory_current) - sane(memory_inactive_file), 0)) AS memory_working_set_bytes,  -- B, without droppable cache
       whole_bytes(memory_oom_kills) AS oom_kills,                                  -- processes that were killed at its memory limit, since its start
       share_of_time(rate(cpu_pressure_usec, stalled_before, seconds) / 1e4) AS cpu_stalled_percent,              -- % of the time, some task waiting
       CASE WHEN is_another AND prefix = 'container/' THEN 'reset'  -- it was started again; services do that all the time
            WHEN cpu_usage_usec < usage_before OR io_read_bytes < read_before OR io_write_bytes < written_before OR cpu_periods < periods_before
                 OR cpu_throttled < throttled_before OR cpu_pressure_usec < stalled_before THEN 'reset'
            WHEN is_beyond(told_percent, cpus, seconds) OR is_beyond(told_user, cpus, seconds) OR is_beyond(told_system, cpus, seconds) THEN 'CPU time moves faster than the clock'
            WHEN is_above_limit THEN 'memory is larger than its limit'
            WHEN increase(cpu_throttled, throttled_before) > cpu_periods - periods_before THEN 'more periods were throttled than there were'
            WHEN rate(cpu_pressure_usec, stalled_before, seconds) > 4e6 THEN 'it was stalled for longer than the clock says'
            WHEN list_bool_or(list_transform([cpu_usage_usec, cpu_user_usec, cpu_system_usec, cpu_throttled, memory_current, memory_inactive_file, io_read_bytes,
                io_write_bytes, io_read_ops, io_write_ops, pids_current, memory_oom_kills], lambda number: is_garbage(number)))
            THEN 'a number cannot be'
            WHEN seconds > 0 AND ((told_percent IS NULL AND coalesce(cpu_usage_usec, usage_before) IS NOT NULL)
                OR (told_user IS NULL AND coalesce(cpu_user_usec, user_before) IS NOT NULL) OR (told_system IS NULL AND coalesce(cpu_system_usec, system_before) IS NOT NULL)
                OR (io_read_bytes_per_s IS NULL AND coalesce(io_read_bytes, read_before) IS NOT NULL) OR (io_write_bytes_per_s IS NULL AND coalesce(io_write_bytes, written_before) IS NOT NULL))
                OR told < told_before
            THEN 'a number is missing or went back' END AS why
FROM rates
WHERE seconds IS NULL OR seconds > 0
