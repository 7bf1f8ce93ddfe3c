-- system.csv: load, tasks, switches, interrupts, forks and paging.
--
-- Sources: /proc/loadavg (man 5 proc_loadavg): 1 load1  2 load5  3 load15, tasks running or in uninterruptible sleep;
--          /proc/stat (man 5 proc_stat): lines "ctxt", "intr" (first number: all interrupts), "processes" (forks),
--              "procs_running", "procs_blocked";
--          /proc/vmstat: "pgpgin", "pgpgout" in KiB, "pswpin", "pswpout" in pages, "pgmajfault", all since boot.
WITH stat AS (
    SELECT source, timestamp, before, seconds,
           keyed(measurement, 'ctxt') AS ctxt, keyed(measurement, 'intr') AS intr, keyed(measurement, 'processes') AS forks,
           keyed(measurement, 'procs_running') AS running, keyed(measurement, 'procs_blocked') AS blocked
    FROM reads_of('/proc/stat')
), paging AS (
    SELECT source, timestamp, before, seconds,
           keyed(measurement, 'pgpgin') AS page_in, keyed(measurement, 'pgpgout') AS page_out,
           keyed(measurement, 'pswpin') AS swap_in, keyed(measurement, 'pswpout') AS swap_out,
           keyed(measurement, 'pgmajfault') AS major_faults
    FROM reads_of('/proc/vmstat')
), load AS (
    SELECT source, timestamp, string_split(measurement, ' ') AS field FROM reads_of('/proc/loadavg')
), stat_rates AS (
    SELECT now.source, now.timestamp, now.running, now.blocked, rate(now.ctxt, earlier.ctxt, now.seconds) AS context_switches,
           rate(now.intr, earlier.intr, now.seconds) AS interrupts, rate(now.forks, earlier.forks, now.seconds) AS forks
    FROM stat AS now LEFT JOIN stat AS earlier ON earlier.source = now.source AND earlier.timestamp = now.before
), paging_rates AS (
    SELECT now.source, now.timestamp,
           rate(now.page_in, earlier.page_in, now.seconds) AS page_in_kb, rate(now.page_out, earlier.page_out, now.seconds) AS page_out_kb,
           rate(now.swap_in, earlier.swap_in, now.seconds) AS swap_in_pages,
           rate(now.swap_out, earlier.swap_out, now.seconds) AS swap_out_pages,
           rate(now.major_faults, earlier.major_faults, now.seconds) AS major_faults
    FROM paging AS now LEFT JOIN paging AS earlier ON earlier.source = now.source AND earlier.timestamp = now.before
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
FROM stat_rates
FULL JOIN load USING (source, timestamp)
FULL JOIN paging_rates USING (source, timestamp)
