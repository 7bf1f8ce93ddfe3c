-- cpu.csv: where each CPU's time went between two samples, in percent.
--
-- Source: /proc/stat, lines "cpu" (all CPUs) and "cpuN"; Documentation/filesystems/proc.rst, section 1.8, and man 5 proc_stat.
-- Fields by position, in ticks of 1/HZ s since boot:
--   1 user (guest is inside)  2 nice (guest_nice is inside)  3 system  4 idle  5 iowait  6 irq  7 softirq  8 steal  9 guest  10 guest_nice
--
-- CPUs are known by label. The denominator is the sum of the non-negative increases of fields 1 to 8; idle and iowait may go
-- back a little (the kernel says so) and then count as 0. Busy time that goes back in all is a reset: no percentages. Where one field of it goes
-- back, as steal does after a migration, that share is not known. Guests' time is within user or nice, to the tick that rounding makes of each.
-- A CPU that is listed but whose counters stood still for 0.2 s or more slept without a tick: idle 100, as sysstat has it. All CPUs together
-- cannot: where the line "cpu" stands still, /proc/stat tells nothing (gVisor). Ticks that move four
-- times faster than time tell nothing either.
WITH lines AS (
    SELECT * EXCLUDE (measurement), list_filter(lines_of(replace(measurement, 'cpu  ', 'cpu ')), lambda l: starts_with(l, 'cpu')) AS all_lines
    FROM reads_of('/proc/stat')
), labelled AS (
    SELECT * EXCLUDE (all_lines), unnest(all_lines) AS line, len(all_lines) - 1 AS cpus, left(line, strpos(line, ' ')) AS label,
           try_cast(string_split(rtrim(line), ' ')[2:] AS DOUBLE[]) AS now
    FROM lines
), steps AS (
    SELECT machine, timestamp, label, now, cpus, lag(timestamp) OVER previous = earlier AS follows,
           if(lag(timestamp) OVER previous = earlier, lag(now) OVER previous, NULL) AS before, lag(monotonic) OVER previous IS NULL AS by_wall,
           seconds_between(lag(monotonic) OVER previous, monotonic, lag(timestamp) OVER previous, timestamp) AS seconds
    FROM labelled
    WINDOW previous AS (PARTITION BY machine, stretch, label ORDER BY clock)
), deltas AS (
    SELECT machine, timestamp, label, seconds, cpus, follows, by_wall, len(now) AS fields, now[1] + now[3] + now[4] AS ever,
           delta(now[1], before[1]) AS user, delta(now[2], before[2]) AS nice, delta(now[3], before[3]) AS system, delta(now[4], before[4]) AS idle,
           if(fields < 5, 0, delta(now[5], before[5])) AS iowait, if(fields < 6, 0, delta(now[6], before[6])) AS irq,
           if(fields < 7, 0, delta(now[7], before[7])) AS softirq, if(fields < 8, 0, delta(now[8], before[8])) AS steal,
           if(fields < 9, 0, delta(now[9], before[9])) AS guest, if(fields < 10, 0, delta(now[10], before[10])) AS guest_nice
    FROM steps
), summed AS (
    SELECT *, coalesce(user, 0) + coalesce(nice, 0) + coalesce(system, 0) + coalesce(irq, 0) + coalesce(softirq, 0) + coalesce(steal, 0) < 0 AS reset,
           least(user, nice, system, irq, softirq, steal) < 0 OR user IS NULL OR nice IS NULL OR system IS NULL OR irq IS NULL OR softirq IS NULL
               OR steal IS NULL AS is_part_unknown,
           increased(user) + increased(nice) + increased(system) + at_least(idle, 0) + at_least(iowait, 0) + increased(irq) + increased(softirq)
               + increased(steal) AS total
    FROM deltas
), still AS (
    SELECT DISTINCT machine, timestamp FROM summed WHERE label = 'cpu ' AND total = 0 AND NOT reset AND seconds >= 0.2
), judged AS (
    SELECT s.*,
           -- HZ is 100 for programs on all machines but a few; a whole second's stamp may be a second off.
           CASE WHEN NOT follows OR follows IS NULL THEN NULL
                WHEN reset THEN 'reset'
                WHEN still.machine IS NOT NULL THEN 'the counters of /proc/stat stand still'
                WHEN total > ticks_per_second(hz) * if(label = 'cpu ', cpus, 1) * (4 * seconds + if(by_wall, 1.1, 0.1))
                    THEN 'CPU time moves faster than the clock'
                WHEN total = 0 AND (ever = 0 OR seconds < 0.2) THEN 'its ticks did not move'
                WHEN total IS NULL THEN 'its counters are no numbers'
                WHEN is_part_unknown THEN 'a part of its time went back'
                WHEN guest > user + 1 OR guest_nice > nice + 1 OR guest IS NULL OR guest_nice IS NULL THEN 'guests took more time than user or nice has' END AS why
    FROM summed AS s
    LEFT JOIN still USING (machine, timestamp)
    LEFT JOIN (SELECT machine, any_value(try_cast(facts ->> '$.hz' AS DOUBLE)) AS hz FROM sessions GROUP BY machine) USING (machine)
), share AS (
    SELECT *, CASE WHEN follows AND (why IS NULL OR why IN ('a part of its time went back', 'guests took more time than user or nice has')) THEN CASE WHEN total > 0 THEN 100 / total
                   WHEN total = 0 AND ever > 0 AND seconds >= 0.2 THEN 0 END END AS percent  -- a tick; 0: tickless
    FROM judged
)
SELECT machine, timestamp,
       if(label = 'cpu ', 'all', rtrim(substr(label, 4))) AS cpu,
       known(user) * percent AS user,                                -- %, guest is inside
       known(nice) * percent AS nice,                                -- %, guest_nice is inside
       known(system) * percent AS system,                            -- %
       at_least(iowait, 0) * percent AS iowait,               -- %
       known(irq) * percent AS irq,                                  -- %
       known(softirq) * percent AS softirq,                          -- %
       known(steal) * percent AS steal,                              -- %
       if(percent = 0, 100, at_least(idle, 0) * percent) AS idle,  -- %
       part_of(at_least(guest, 0), user + 1) * percent AS guest,      -- % of the same total
       part_of(at_least(guest_nice, 0), nice + 1) * percent AS guest_nice,  -- % of the same total
       at_least(if(percent = 0, 0, 100 - (at_least(idle, 0) + at_least(iowait, 0)) * percent), 0) AS busy,  -- %: neither idle nor waiting for I/O
       why
FROM share
