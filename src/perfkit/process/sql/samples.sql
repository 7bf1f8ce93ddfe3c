-- Every sample of every source (of the subsystems that are known): its instant (ms), the boot it belongs to, and whether it is the source's first.
WITH instants AS (
    SELECT DISTINCT source, timestamp FROM raw
    WHERE subsystem IN ('/proc/stat', '/proc/meminfo', '/proc/diskstats', '/proc/net/dev', '/proc/loadavg', '/proc/vmstat', '/proc/net/snmp',
                        '/proc/net/netstat', '/proc/pressure/cpu', '/proc/pressure/memory', '/proc/pressure/io', 'statfs[*]')
       OR starts_with(subsystem, 'container/')
)
SELECT instants.source, timestamp, coalesce(boot, 1) AS boot, timestamp = min(timestamp) OVER (PARTITION BY instants.source) AS first
FROM instants ASOF LEFT JOIN boots ON boots.source = instants.source AND boots.since <= instants.timestamp
