-- pressure.csv: the share of time in which tasks stalled for want of a resource (PSI).
--
-- Source: /proc/pressure/{cpu,memory,io}; Documentation/accounting/psi.rst. Lines "some" (at least one task stalled) and
-- "full" (all non-idle tasks stalled at once; for cpu since Linux 5.13):
--   avg10, avg60, avg300 in percent, decaying averages of the kernel's;  total in microseconds since boot
WITH pairs AS (
    SELECT 'cpu' AS resource, * FROM pairs_of('/proc/pressure/cpu')
    UNION ALL SELECT 'memory', * FROM pairs_of('/proc/pressure/memory')
    UNION ALL SELECT 'io', * FROM pairs_of('/proc/pressure/io')
), fields AS (
    SELECT source, timestamp, resource, seconds, psi(text) AS now, psi(earlier) AS before FROM pairs
)
SELECT source, timestamp, resource,
       at_most(rate(whole(now.some_us), whole(before.some_us), seconds) / 1e4, 100) AS some_percent,  -- % of the interval
       at_most(rate(whole(now.full_us), whole(before.full_us), seconds) / 1e4, 100) AS full_percent,  -- % of the interval
       try_cast(now.some_avg10 AS DOUBLE) AS some_avg10,                                              -- %, the kernel's 10 s average
       try_cast(now.full_avg10 AS DOUBLE) AS full_avg10                                               -- %, the kernel's 10 s average
FROM fields
