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
    FROM reads_of('/proc/stat')
), ticks AS (
    SELECT source, timestamp, before, seconds, token[1] AS label,
           whole(token[2]) AS user, whole(token[3]) AS nice, whole(token[4]) AS system, whole(token[5]) AS idle,
           coalesce(whole(token[6]), 0) AS iowait, coalesce(whole(token[7]), 0) AS irq, coalesce(whole(token[8]), 0) AS softirq,
           coalesce(whole(token[9]), 0) AS steal, coalesce(whole(token[10]), 0) AS guest, coalesce(whole(token[11]), 0) AS guest_nice
    FROM (
        SELECT source, timestamp, before, seconds, string_split(replace(line, 'cpu  ', 'cpu '), ' ') AS token
        FROM (SELECT source, timestamp, before, seconds, unnest(string_split(measurement, chr(10))) AS line FROM reads)
        WHERE line LIKE 'cpu%'
    )
    WHERE idle IS NOT NULL
), increase AS (
    SELECT now.source, now.timestamp, now.seconds, now.label,
           greatest(now.user - earlier.user, 0) AS user, greatest(now.nice - earlier.nice, 0) AS nice,
           greatest(now.system - earlier.system, 0) AS system, greatest(now.idle - earlier.idle, 0) AS idle,
           greatest(now.iowait - earlier.iowait, 0) AS iowait, greatest(now.irq - earlier.irq, 0) AS irq,
           greatest(now.softirq - earlier.softirq, 0) AS softirq, greatest(now.steal - earlier.steal, 0) AS steal,
           greatest(now.guest - earlier.guest, 0) AS guest, greatest(now.guest_nice - earlier.guest_nice, 0) AS guest_nice,
           now.user + now.nice + now.system + now.irq + now.softirq + now.steal
               < earlier.user + earlier.nice + earlier.system + earlier.irq + earlier.softirq + earlier.steal AS reset
    FROM ticks AS now
    LEFT JOIN ticks AS earlier ON earlier.source = now.source AND earlier.timestamp = now.before AND earlier.label = now.label
), share AS (
    SELECT *, user + nice + system + idle + iowait + irq + softirq + steal AS total,
           CASE WHEN NOT reset AND total > 0 THEN 100.0::DOUBLE / total END AS percent,
           NOT reset AND total = 0 AND seconds >= 0.2 AS tickless
    FROM increase
)
SELECT source, timestamp,
       CASE label WHEN 'cpu' THEN 'all' ELSE label[4:] END AS cpu,
       if(tickless, 0, user * percent) AS user,              -- %, guest is inside
       if(tickless, 0, nice * percent) AS nice,              -- %, guest_nice is inside
       if(tickless, 0, system * percent) AS system,          -- %
       if(tickless, 0, iowait * percent) AS iowait,          -- %
       if(tickless, 0, irq * percent) AS irq,                -- %
       if(tickless, 0, softirq * percent) AS softirq,        -- %
       if(tickless, 0, steal * percent) AS steal,            -- %
       if(tickless, 100, idle * percent) AS idle,            -- %
       if(tickless, 0, guest * percent) AS guest,            -- % of the same total
       if(tickless, 0, guest_nice * percent) AS guest_nice   -- % of the same total
FROM share
