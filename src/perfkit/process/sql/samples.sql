-- Every sample of every source (of the subsystems that are known):
--   timestamp  its instant (ms)           boot   the boot that it belongs to
--   before     the instant of the sample before it in the same boot, in the order of the monotonic clock where there is one
--   first      whether it is the source's first
WITH instants AS (
    SELECT source, timestamp, min(monotonic) AS clock
    FROM raw
    WHERE subsystem IN ('/proc/stat', '/proc/meminfo', '/proc/diskstats', '/proc/net/dev', '/proc/loadavg', '/proc/vmstat', '/proc/net/snmp',
                        '/proc/net/netstat', '/proc/pressure/cpu', '/proc/pressure/memory', '/proc/pressure/io', 'statfs[*]')
       OR starts_with(subsystem, 'container/')
    GROUP BY source, timestamp
), booted AS (
    SELECT instants.*, coalesce(boot, 1) AS boot
    FROM instants ASOF LEFT JOIN boots ON boots.source = instants.source AND boots.since <= instants.timestamp
)
SELECT source, timestamp, boot, lag(timestamp) OVER (PARTITION BY source, boot ORDER BY coalesce(clock, timestamp / 1000)) AS before,
       row_number() OVER (PARTITION BY source ORDER BY boot, coalesce(clock, timestamp / 1000)) = 1 AS first
FROM booted
