-- Where each device stands in /proc/diskstats and /proc/net/dev: the lines of each source's first read.
-- Hardly ever does another read list others; whether its line is still the same device's, its beginning (`head`) tells faster than a pattern.
--   place  number of the line, from 1   head  the line up to its counters
WITH firsts AS (
    SELECT source, subsystem, min(timestamp) AS timestamp FROM raw WHERE subsystem IN ('/proc/diskstats', '/proc/net/dev') GROUP BY source, subsystem
), lines AS (
    SELECT source, subsystem, unnest(lines_of(measurement)) AS line, generate_subscripts(lines_of(measurement), 1) AS place
    FROM raw JOIN firsts USING (source, subsystem, timestamp)
)
SELECT source, subsystem, place, line, head_of(subsystem, line) AS head, device_of(subsystem, line) AS device
FROM lines
WHERE device <> ''
