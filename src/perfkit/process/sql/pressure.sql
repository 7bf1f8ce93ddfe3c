-- pressure.csv: the share of time in which tasks stalled for want of a resource (PSI).
--
-- Source: /proc/pressure/{cpu,memory,io}; Documentation/accounting/psi.rst. Lines "some" (at least one task stalled) and
-- "full" (all non-idle tasks stalled at once; for cpu since Linux 5.13):
--   avg10, avg60, avg300 in percent, decaying averages of the kernel's;  total in microseconds since boot
WITH reads AS (
    FROM reads_of('/proc/pressure/cpu') UNION ALL BY NAME FROM reads_of('/proc/pressure/memory')
    UNION ALL BY NAME FROM reads_of('/proc/pressure/io')
), fields AS (
    SELECT source, timestamp, before, seconds, subsystem,
           whole(regexp_extract(measurement, 'some [^\n]*total=(\d+)', 1)) AS some_us,
           whole(regexp_extract(measurement, 'full [^\n]*total=(\d+)', 1)) AS full_us,
           try_cast(regexp_extract(measurement, 'some avg10=([\d.]+)', 1) AS DOUBLE) AS some_avg10,
           try_cast(regexp_extract(measurement, 'full avg10=([\d.]+)', 1) AS DOUBLE) AS full_avg10
    FROM reads
)
SELECT now.source, now.timestamp, now.subsystem[16:] AS resource,
       at_most(rate(now.some_us, earlier.some_us, now.seconds) / 1e4, 100) AS some_percent,  -- % of the interval
       at_most(rate(now.full_us, earlier.full_us, now.seconds) / 1e4, 100) AS full_percent,  -- % of the interval
       now.some_avg10,                                                                     -- %, the kernel's 10 s average
       now.full_avg10                                                                      -- %, the kernel's 10 s average
FROM fields AS now
LEFT JOIN fields AS earlier
       ON earlier.source = now.source AND earlier.timestamp = now.before AND earlier.subsystem = now.subsystem
