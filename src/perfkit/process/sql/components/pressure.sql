-- pressure.csv: the share of time in which tasks stalled for lack of a resource (PSI).
--
-- Source: /proc/pressure/{cpu,memory,io}; Documentation/accounting/psi.rst. Lines "some" (at least one task stalled) and
-- "full" (all non-idle tasks stalled at once; for cpu since Linux 5.13):
--   avg10, avg60, avg300 in percent, decaying averages of the kernel's;  total in microseconds since boot
WITH reads AS MATERIALIZED (  -- else every field of it would match the pattern again
    SELECT machine, timestamp, stretch, monotonic, clock, subsystem, psi(measurement) AS text
    FROM raw JOIN samples USING (machine, timestamp)
    WHERE subsystem IN ('/proc/pressure/cpu', '/proc/pressure/memory', '/proc/pressure/io')
), pairs AS (
    SELECT machine, timestamp, subsystem, whole(text.some_us) AS some_us, whole(text.full_us) AS full_us,
           try_cast(text.some_avg10 AS DOUBLE) AS some_avg10, try_cast(text.full_avg10 AS DOUBLE) AS full_avg10,
           lag(whole(text.some_us)) OVER previous AS some_before, lag(whole(text.full_us)) OVER previous AS full_before,
           seconds_between(lag(monotonic) OVER previous, monotonic, lag(timestamp) OVER previous, timestamp) AS seconds
    FROM reads
    WINDOW previous AS (PARTITION BY machine, stretch, subsystem ORDER BY clock)
)
SELECT machine, timestamp, subsystem[16:] AS resource,
       share_of_time(rate(some_us, some_before, seconds) / 1e4) AS some_percent,  -- % of the interval
       share_of_time(rate(full_us, full_before, seconds) / 1e4) AS full_percent,  -- % of the interval
       if(some_avg10 BETWEEN 0 AND 100, some_avg10, NULL) AS some_avg10,                    -- %, the kernel's 10 s average
       if(full_avg10 BETWEEN 0 AND 100, full_avg10, NULL) AS full_avg10,                    -- %, the kernel's 10 s average
       CASE WHEN some_us < some_before OR full_us < full_before THEN 'reset'
            WHEN some_avg10 IS NULL OR some_us IS NULL OR (full_us IS NULL AND (full_before IS NOT NULL OR subsystem <> '/proc/pressure/cpu'))
                OR NOT some_avg10 BETWEEN 0 AND 100 OR NOT full_avg10 BETWEEN 0 AND 100 OR (seconds > 0 AND (some_before IS NULL OR (full_us IS NOT NULL AND full_before IS NULL)))
            THEN 'a line is missing, or a number cannot be'
            WHEN greatest(some_us - some_before, full_us - full_before) > 4e6 * seconds THEN 'it grows faster than the clock' END AS why
FROM pairs
