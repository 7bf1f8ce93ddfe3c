-- cpu_limits.csv: what held each CPU back, in the first and every tenth sample; a rate is the average since the one before.
--
-- Sources, each where the kernel keeps it:
--   limits: /sys/devices/system/cpu/cpuN/cpufreq/ scaling_cur_freq, base_frequency, cpuinfo_max_freq (kHz; Documentation/admin-guide/pm/cpufreq.rst)
--           and thermal_throttle/ core_throttle_count, package_throttle_count (since boot; arch/x86/kernel/cpu/mce/therm_throt.c)
--   /proc/schedstat (Documentation/scheduler/sched-stats.rst), lines "cpuN" and nine numbers: 7 time run (ns)  8 time waited for this CPU (ns, all tasks)
--   /proc/net/softnet_stat (net/core/net-procfs.c), hexadecimal, a row per CPU that is online: 1 processed  2 dropped  3 time_squeeze  13 the CPU
--           (since Linux 5.10; before that the rows count from CPU 0)
WITH files AS (
    SELECT machine, timestamp, stretch, monotonic, clock, regexp_extract(path, '/cpu(\d+)/', 1) AS cpu, regexp_extract(path, '[^/]+$') AS file,
           sane(numbers[1]) AS number, number IS NULL AS garbage
    FROM limit_rows() WHERE starts_with(path, '/sys/devices/system/cpu/cpu')
), waits AS (
    SELECT * EXCLUDE (measurement), string_split(unnest(string_split(measurement, chr(10))), ' ') AS f FROM reads_of('/proc/schedstat')
), packets AS (
    SELECT * EXCLUDE (lines), unnest(lines) AS line, generate_subscripts(lines, 1) AS place
    FROM (SELECT * EXCLUDE (measurement), list_filter(string_split(measurement, chr(10)), lambda l: l <> '') AS lines FROM reads_of('/proc/net/softnet_stat'))
), softnet AS (
    SELECT *, string_split(line, ' ') AS f, sane(try_cast('0x' || f[13] AS BIGINT)) AS told FROM packets
), reads AS (
    SELECT machine, timestamp, any_value(stretch) AS stretch, any_value(monotonic) AS monotonic, any_value(clock) AS clock, cpu, 'files' AS kind,
           max(number) FILTER (file = 'scaling_cur_freq') / 1000 AS mhz,
           coalesce(max(number) FILTER (file = 'base_frequency'), max(number) FILTER (file = 'cpuinfo_max_freq')) / 1000 AS nominal_mhz,
           if(bool_or(garbage AND ends_with(file, '_throttle_count')), NULL, sum(number) FILTER (ends_with(file, '_throttle_count'))) AS throttled,
           NULL::BIGINT AS waited, NULL::BIGINT AS dropped, NULL::BIGINT AS squeezed, bool_or(garbage) AS garbage, count(*) AS told
    FROM files WHERE cpu <> '' GROUP BY machine, timestamp, cpu
    UNION ALL
    SELECT machine, timestamp, stretch, monotonic, clock, f[1][4:], 'waits', NULL, NULL, NULL, if(len(f) = 10, whole(f[9]), NULL) AS waited, NULL, NULL,
           waited IS NULL, 1
    FROM waits WHERE regexp_full_match(f[1], 'cpu\d+')
    UNION ALL
    SELECT machine, timestamp, stretch, monotonic, clock, coalesce(told, place - 1)::VARCHAR, 'softnet', NULL, NULL, NULL, NULL,
           sane(try_cast('0x' || f[2] AS BIGINT)) AS dropped, sane(try_cast('0x' || f[3] AS BIGINT)) AS squeezed, dropped IS NULL OR squeezed IS NULL, 1
    FROM softnet WHERE len(f) >= 3
), steps AS (
    SELECT *, seconds_between(lag(monotonic) OVER previous, monotonic, lag(timestamp) OVER previous, timestamp) AS seconds,
           if(lag(told) OVER previous = told, lag(throttled) OVER previous, NULL) AS throttled_before,  -- of the same files
           lag(waited) OVER previous AS waited_before, lag(dropped) OVER previous AS dropped_before,
           lag(squeezed) OVER previous AS squeezed_before,
           throttled < throttled_before OR waited < waited_before OR dropped < dropped_before OR squeezed < squeezed_before AS fell,
           100 * mhz / nullif(nominal_mhz, 0) AS told_percent, rate(waited, waited_before, seconds) / 1e7 AS told_wait
    FROM reads
    WINDOW previous AS (PARTITION BY machine, stretch, kind, cpu ORDER BY clock)
)
SELECT machine, timestamp, cpu,
       max(mhz) AS frequency_mhz,                                               -- MHz, at the instant
       max(part_of(told_percent, 1000)) AS frequency_percent,                   -- % of the base frequency, or of the highest where none is told
       max(rate(throttled, throttled_before, seconds)) AS thermal_throttles,    -- 1/s: how often core or package were slowed down by heat
       max(part_of(told_wait, 100 * 4194304)) AS run_wait_percent,              -- %, 100 is one task that waits all the time; Linux has no more tasks
       max(rate(dropped, dropped_before, seconds)) AS softnet_drops,            -- packets/s: the CPU's queue (net.core.netdev_max_backlog) was full
       max(rate(squeezed, squeezed_before, seconds)) AS softnet_squeezes,       -- 1/s: packets were left when net.core.netdev_budget was used up
       CASE WHEN bool_or(garbage) THEN 'a number cannot be, or a line is not understood'
            WHEN bool_or(told_percent > 1000) THEN 'the frequency is far above the nominal one'
            WHEN bool_or(told_wait > 100 * 4194304) THEN 'more tasks wait than there can be'
            WHEN sum(told) < max(sum(told)) OVER (PARTITION BY machine, stretch, cpu ORDER BY min(clock)) THEN 'a number is missing'
            WHEN bool_or(fell) THEN 'reset' END AS why
FROM steps
GROUP BY machine, stretch, timestamp, cpu
