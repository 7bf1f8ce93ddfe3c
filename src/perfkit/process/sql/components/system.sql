-- system.csv: load, tasks, switches, interrupts, forks and paging.
--
-- Sources: /proc/loadavg (man 5 proc_loadavg): 1 load1  2 load5  3 load15, tasks running or in uninterruptible sleep; then running/all tasks;
--          /proc/stat (man 5 proc_stat): lines "ctxt", "intr" (first number: all interrupts), "processes" (forks),
--              "procs_running", "procs_blocked";
--          /proc/vmstat: "pgpgin", "pgpgout" in KiB, "pswpin", "pswpout" in pages, "pgmajfault", "oom_kill", and
--              "numa_hit", "numa_miss" in pages (Documentation/admin-guide/numastat.rst), all since boot.
-- A machine has switched contexts, forked and been interrupted since its boot, and has at least one task: 0 there means that the number is not
-- kept (gVisor).
WITH stat_reads AS MATERIALIZED (
    SELECT * EXCLUDE (measurement), number_of(measurement, 'procs_running') AS running, number_of(measurement, 'procs_blocked') AS blocked,
           nullif(number_of(measurement, 'ctxt'), 0) AS switches, nullif(number_of(measurement, 'intr'), 0) AS interrupts,
           nullif(number_of(measurement, 'processes'), 0) AS forks
    FROM reads_of('/proc/stat')
), stat AS (
    SELECT machine, timestamp, if(switches IS NULL AND forks IS NULL, NULL, running) AS running, if(switches IS NULL AND forks IS NULL, NULL, blocked) AS blocked,
           seconds_between(lag(monotonic) OVER previous, monotonic, earlier, timestamp) AS seconds,
           rate(switches, lag(switches) OVER previous, seconds) AS context_switches,
           rate(r.interrupts, lag(r.interrupts) OVER previous, seconds) AS interrupts, rate(r.forks, lag(r.forks) OVER previous, seconds) AS forks
    FROM stat_reads AS r
    WINDOW previous AS (PARTITION BY machine, stretch ORDER BY clock)
), paging_reads AS MATERIALIZED (
    SELECT * EXCLUDE (measurement), chr(10) || measurement AS text, number_of(text, 'pgpgin ') AS page_in, number_of(text, 'pgpgout ') AS page_out,
           number_of(text, 'pswpin ') AS swap_in, number_of(text, 'pswpout ') AS swap_out, number_of(text, 'pgmajfault ') AS faults,
           number_of(text, 'oom_kill ') AS kills, number_of(text, 'numa_hit ') AS hits, number_of(text, 'numa_miss ') AS misses
    FROM reads_of('/proc/vmstat')
), paging AS (
    SELECT machine, timestamp, text, seconds_between(lag(monotonic) OVER previous, monotonic, earlier, timestamp) AS seconds,
           rate(page_in, lag(page_in) OVER previous, seconds) AS page_in_kb, rate(page_out, lag(page_out) OVER previous, seconds) AS page_out_kb,
           rate(swap_in, lag(swap_in) OVER previous, seconds) AS swap_in_pages, rate(swap_out, lag(swap_out) OVER previous, seconds) AS swap_out_pages,
           rate(faults, lag(faults) OVER previous, seconds) AS major_faults, rate(kills, lag(kills) OVER previous, seconds) AS oom_kills,
           rate(hits, lag(hits) OVER previous, seconds) AS numa_hits, rate(misses, lag(misses) OVER previous, seconds) AS numa_misses
    FROM paging_reads
    WINDOW previous AS (PARTITION BY machine, stretch ORDER BY clock)
), load AS (
    SELECT machine, timestamp, string_split(measurement, ' ') AS field FROM raw WHERE subsystem = '/proc/loadavg' AND measurement NOT LIKE '% 0/0 %'
)
SELECT machine, timestamp,
       sane(try_cast(load.field[1] AS DOUBLE)) AS load1,   -- tasks, 1 min average
       sane(try_cast(load.field[2] AS DOUBLE)) AS load5,   -- tasks, 5 min average
       sane(try_cast(load.field[3] AS DOUBLE)) AS load15,  -- tasks, 15 min average
       running,                                      -- tasks running or ready to run
       blocked,                                      -- tasks waiting for I/O
       context_switches,                             -- 1/s
       interrupts,                                   -- 1/s
       forks,                                        -- 1/s
       page_in_kb,                                   -- KiB/s
       page_out_kb,                                  -- KiB/s
       swap_in_pages,                                -- pages/s
       swap_out_pages,                               -- pages/s
       major_faults,                                 -- 1/s
       oom_kills,                                    -- 1/s
       numa_hits,                                    -- pages/s from the node that was wanted
       numa_misses,                                  -- pages/s from another node than was wanted
       -- Some kernels have no swap, no NUMA, no count of OOM kills.
       CASE WHEN stat.seconds > 0 AND context_switches + interrupts + forks + running + blocked IS NULL
                OR paging.seconds > 0 AND (page_in_kb + page_out_kb + major_faults IS NULL OR (swap_in_pages + swap_out_pages IS NULL AND contains(text, 'pswpin'))
                    OR (oom_kills IS NULL AND contains(text, 'oom_kill')) OR (numa_hits + numa_misses IS NULL AND contains(text, 'numa_hit')))
                OR load.field IS NOT NULL AND load1 + load5 + load15 IS NULL
            THEN 'a number went back, is missing or is none' END AS why
FROM stat
FULL JOIN load USING (machine, timestamp)
FULL JOIN paging USING (machine, timestamp)
