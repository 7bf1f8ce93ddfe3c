-- How many disks and interfaces of each machine have no rows, because there are so many, and how many lines of new samples are theirs.
WITH beyond AS MATERIALIZED (
    SELECT machine, kind, device FROM devices WHERE NOT kept
), lines AS (
    SELECT machine, subsystem, unnest(lines_of(measurement)) AS line
    FROM raw JOIN live_after USING (machine)
    WHERE timestamp > taken AND subsystem IN ('/proc/diskstats', '/proc/net/dev') AND machine IN (SELECT machine FROM beyond)
), new AS (
    SELECT machine, if(subsystem = '/proc/net/dev', 'interface', 'disk') AS kind, device_of(subsystem, line) AS device, count(*) AS lines FROM lines GROUP BY ALL
)
SELECT machine, kind, count(*), coalesce(sum(lines), 0)::BIGINT FROM beyond LEFT JOIN new USING (machine, kind, device) GROUP BY ALL
