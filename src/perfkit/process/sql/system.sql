-- system.csv: load, tasks, switches, interrupts, forks and paging.
--
-- Sources: /proc/loadavg (man 5 proc_loadavg): 1 load1  2 load5  3 load15, tasks running or in uninterruptible sleep;
--          /proc/stat (man 5 proc_stat): lines "ctxt", "intr" (first number: all interrupts), "processes" (forks),
--              "procs_running", "procs_blocked";
--          /proc/vmstat: "pgpgin", "pgpgout" in KiB, "pswpin", "pswpout" in pages, "pgmajfault", all since boot.
WITH stat_reads AS MATERIALIZED (
    SELECT source, timestamp, monotonic, number_of(measurement, 'procs_running') AS running, number_of(measurement, 'procs_blocked') AS blocked,
           number_of(measurement, 'ctxt') AS switches, number_of(measurement, 'intr') AS interrupts, number_of(measurement, 'processes') AS forks
    FROM raw
    WHERE subsystem = '/proc/stat'
), stat AS (
    SELECT source, timestamp, now.running, now.blocked, seconds_between(before.monotonic, now.monotonic, earlier, timestamp) AS seconds,
           rate(now.switches, before.switches, seconds) AS context_switches, rate(now.interrupts, before.interrupts, seconds) AS interrupts,
           rate(now.forks, before.forks, seconds) AS forks
    FROM stat_reads AS now
    JOIN steps_of('/proc/stat') USING (source, timestamp)
    LEFT JOIN stat_reads AS before ON before.source = now.source AND before.timestamp = earlier
), vmstat AS (
    SELECT source, timestamp, monotonic, chr(10) || measurement AS text FROM raw WHERE subsystem = '/proc/vmstat'
), paging_reads AS MATERIALIZED (
    SELECT source, timestamp, monotonic, number_of(text, 'pgpgin ') AS page_in, number_of(text, 'pgpgout ') AS page_out,
           number_of(text, 'pswpin ') AS swap_in, number_of(text, 'pswpout ') AS swap_out, number_of(text, 'pgmajfault ') AS faults
    FROM vmstat
), paging AS (
    SELECT source, timestamp, seconds_between(before.monotonic, now.monotonic, earlier, timestamp) AS seconds,
           rate(now.page_in, before.page_in, seconds) AS page_in_kb, rate(now.page_out, before.page_out, seconds) AS page_out_kb,
           rate(now.swap_in, before.swap_in, seconds) AS swap_in_pages, rate(now.swap_out, before.swap_out, seconds) AS swap_out_pages,
           rate(now.faults, before.faults, seconds) AS major_faults
    FROM paging_reads AS now
    JOIN steps_of('/proc/vmstat') USING (source, timestamp)
    LEFT JOIN paging_reads AS before ON before.source = now.source AND before.timestamp = earlier
), load AS (
    SELECT source, timestamp, string_split(measurement, ' ') AS field FROM raw WHERE subsystem = '/proc/loadavg'
)
SELECT source, timestamp,
       try_cast(load.field[1] AS DOUBLE) AS load1,   -- tasks, 1 min average
       try_cast(load.field[2] AS DOUBLE) AS load5,   -- tasks, 5 min average
       try_cast(load.field[3] AS DOUBLE) AS load15,  -- tasks, 15 min average
       running,                                      -- tasks running or ready to run
       blocked,                                      -- tasks waiting for I/O
       context_switches,                             -- 1/s
       interrupts,                                   -- 1/s
       forks,                                        -- 1/s
       page_in_kb,                                   -- KiB/s
       page_out_kb,                                  -- KiB/s
       swap_in_pages,                                -- pages/s
       swap_out_pages,                               -- pages/s
       major_faults                                  -- 1/s
FROM stat
FULL JOIN load USING (source, timestamp)
FULL JOIN paging USING (source, timestamp)
