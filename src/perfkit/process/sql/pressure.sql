-- pressure.csv: the share of time in which tasks stalled for want of a resource (PSI).
--
-- Source: /proc/pressure/{cpu,memory,io}; Documentation/accounting/psi.rst. Lines "some" (at least one task stalled) and
-- "full" (all non-idle tasks stalled at once; for cpu since Linux 5.13):
--   avg10, avg60, avg300 in percent, decaying averages of the kernel's;  total in microseconds since boot
WITH texts AS MATERIALIZED (  -- else every field of it would match the pattern again
    SELECT source, timestamp, monotonic, subsystem, psi(measurement) AS text
    FROM raw
    WHERE subsystem IN ('/proc/pressure/cpu', '/proc/pressure/memory', '/proc/pressure/io')
), reads AS (
    SELECT source, timestamp, monotonic, subsystem, whole(text.some_us) AS some_us, whole(text.full_us) AS full_us,
           try_cast(text.some_avg10 AS DOUBLE) AS some_avg10, try_cast(text.full_avg10 AS DOUBLE) AS full_avg10
    FROM texts
), pairs AS (
    SELECT now.*, before.some_us AS some_before, before.full_us AS full_before,
           seconds_between(before.monotonic, now.monotonic, before.timestamp, timestamp) AS seconds
    FROM reads AS now
    JOIN samples USING (source, timestamp)
    LEFT JOIN holes USING (source, subsystem, timestamp)
    LEFT JOIN reads AS before
           ON before.source = now.source AND before.subsystem = now.subsystem AND before.timestamp = coalesce(holes.before, samples.before)
)
SELECT source, timestamp, subsystem[16:] AS resource,
       at_most(rate(some_us, some_before, seconds) / 1e4, 100) AS some_percent,  -- % of the interval
       at_most(rate(full_us, full_before, seconds) / 1e4, 100) AS full_percent,  -- % of the interval
       some_avg10,                                                               -- %, the kernel's 10 s average
       full_avg10                                                                -- %, the kernel's 10 s average
FROM pairs
