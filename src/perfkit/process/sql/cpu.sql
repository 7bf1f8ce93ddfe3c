-- cpu.csv: where each CPU's time went between two samples, in percent.
--
-- Source: /proc/stat, lines "cpu" (all CPUs) and "cpuN"; Documentation/filesystems/proc.rst, section 1.8, and man 5 proc_stat.
-- Fields by position, in ticks of 1/HZ s since boot:
--   1 user (guest is inside)  2 nice (guest_nice is inside)  3 system  4 idle  5 iowait  6 irq  7 softirq  8 steal  9 guest  10 guest_nice
--
-- CPUs are known by label. The denominator is the sum of the non-negative increases of fields 1 to 8; idle and iowait may go
-- back a little (the kernel says so) and then count as 0. Busy time that goes back is a reset: no percentages.
-- A CPU that is listed but whose counters stood still for 0.2 s or more slept without a tick: idle 100, as sysstat has it.
WITH reads AS (
    SELECT source, timestamp, monotonic, list_filter(lines_of(replace(measurement, 'cpu  ', 'cpu ')), lambda l: starts_with(l, 'cpu')) AS lines,
           list_transform(lines, lambda l: left(l, strpos(l, ' '))) AS labels,
           list_transform(lines, lambda l: try_cast(string_split(l, ' ')[2:] AS BIGINT[])) AS ticks
    FROM raw
    WHERE subsystem = '/proc/stat'
), steps AS (
    SELECT source, timestamp, seconds_between(before.monotonic, now.monotonic, earlier, timestamp) AS seconds,
           unnest(now.labels) AS label, unnest(now.ticks) AS now, unnest(before.labels) AS same_place, unnest(before.ticks) AS ticks_of_same_place,
           before.labels AS labels_before, before.ticks AS ticks_before
    FROM reads AS now
    JOIN steps_of('/proc/stat') USING (source, timestamp)
    LEFT JOIN reads AS before ON before.source = now.source AND before.timestamp = earlier
), pairs AS (
    -- Lines of both reads stand at the same place unless a CPU came or went; then the label finds the earlier one.
    SELECT source, timestamp, seconds, label, now,
           CASE WHEN same_place = label THEN ticks_of_same_place ELSE ticks_before[list_position(labels_before, label)] END AS before
    FROM steps
    WHERE label IS NOT NULL
), ticks AS (
    SELECT source, timestamp, seconds, label,
           now[1] AS user_now, now[2] AS nice_now, now[3] AS system_now,
           coalesce(now[6], 0) AS irq_now, coalesce(now[7], 0) AS softirq_now, coalesce(now[8], 0) AS steal_now,
           before[1] AS user_before, before[2] AS nice_before, before[3] AS system_before,
           coalesce(before[6], 0) AS irq_before, coalesce(before[7], 0) AS softirq_before, coalesce(before[8], 0) AS steal_before,
           now[4] - before[4] AS idle, coalesce(now[5] - before[5], 0) AS iowait,
           coalesce(now[9] - before[9], 0) AS guest, coalesce(now[10] - before[10], 0) AS guest_nice
    FROM pairs
), increase AS (
    SELECT source, timestamp, seconds, label, at_least(user_now - user_before, 0) AS user, at_least(nice_now - nice_before, 0) AS nice,
           at_least(system_now - system_before, 0) AS system, at_least(irq_now - irq_before, 0) AS irq,
           at_least(softirq_now - softirq_before, 0) AS softirq, at_least(steal_now - steal_before, 0) AS steal,
           at_least(idle, 0) AS idle, at_least(iowait, 0) AS iowait, at_least(guest, 0) AS guest, at_least(guest_nice, 0) AS guest_nice,
           user_now + nice_now + system_now + irq_now + softirq_now + steal_now
               < user_before + nice_before + system_before + irq_before + softirq_before + steal_before AS reset
    FROM ticks
), share AS (
    SELECT *, user + nice + system + idle + iowait + irq + softirq + steal AS total,
           CASE WHEN reset THEN NULL WHEN total > 0 THEN 100::DOUBLE / total WHEN total = 0 AND seconds >= 0.2 THEN 0 END AS percent  -- a tick; 0: tickless
    FROM increase
)
SELECT source, timestamp,
       if(label = 'cpu ', 'all', rtrim(substr(label, 4))) AS cpu,
       user * percent AS user,                                -- %, guest is inside
       nice * percent AS nice,                                -- %, guest_nice is inside
       system * percent AS system,                            -- %
       iowait * percent AS iowait,                            -- %
       irq * percent AS irq,                                  -- %
       softirq * percent AS softirq,                          -- %
       steal * percent AS steal,                              -- %
       if(percent = 0, 100, idle * percent) AS idle,          -- %
       guest * percent AS guest,                              -- % of the same total
       guest_nice * percent AS guest_nice                     -- % of the same total
FROM share
