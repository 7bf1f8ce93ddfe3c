-- system.csv: load, tasks, switches, interrupts, forks and paging.
--
-- Sources: /proc/loadavg (man 5 proc_loadavg): 1 load1  2 load5  3 load15, tasks running or in uninterruptible sleep;
--          /proc/stat (man 5 proc_stat): lines "ctxt", "intr" (first number: all interrupts), "processes" (forks),
--              "procs_running", "procs_blocked";
--          /proc/vmstat: "pgpgin", "pgpgout" in KiB, "pswpin", "pswpout" in pages, "pgmajfault", all since boot.
WITH stat AS (
    SELECT source, timestamp, number_of(text, 'procs_running') AS running, number_of(text, 'procs_blocked') AS blocked,
           rate(number_of(text, 'ctxt'), number_of(earlier, 'ctxt'), seconds) AS context_switches,
           rate(number_of(text, 'intr'), number_of(earlier, 'intr'), seconds) AS interrupts,
           rate(number_of(text, 'processes'), number_of(earlier, 'processes'), seconds) AS forks
    FROM pairs_of('/proc/stat')
), paging AS (
    SELECT source, timestamp,
           rate(number_of(chr(10) || text, 'pgpgin '), number_of(chr(10) || earlier, 'pgpgin '), seconds) AS page_in_kb,
           rate(number_of(chr(10) || text, 'pgpgout '), number_of(chr(10) || earlier, 'pgpgout '), seconds) AS page_out_kb,
           rate(number_of(chr(10) || text, 'pswpin '), number_of(chr(10) || earlier, 'pswpin '), seconds) AS swap_in_pages,
           rate(number_of(chr(10) || text, 'pswpout '), number_of(chr(10) || earlier, 'pswpout '), seconds) AS swap_out_pages,
           rate(number_of(chr(10) || text, 'pgmajfault '), number_of(chr(10) || earlier, 'pgmajfault '), seconds) AS major_faults
    FROM pairs_of('/proc/vmstat')
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
