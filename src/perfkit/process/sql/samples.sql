-- Every sample of every source: its instant (ms), the boot it belongs to, and whether it is the source's first.
WITH instants AS (
    SELECT DISTINCT source, timestamp FROM raw WHERE NOT starts_with(subsystem, 'perfkit/') AND subsystem <> '/proc/cpuinfo'
)
SELECT instants.source, timestamp, coalesce(boot, 1) AS boot, timestamp = min(timestamp) OVER (PARTITION BY instants.source) AS first
FROM instants ASOF LEFT JOIN boots ON boots.source = instants.source AND boots.since <= instants.timestamp
