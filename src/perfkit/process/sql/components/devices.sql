-- Every disk and network interface of a machine, and whether the host's total counts it (in_total 1 or 0), so that each byte counts once.
--   told  whether the session said so; else it was decided by the device's name
--   speed_mbit, shared_link  an interface's, where the session told it; both directions share the speed of a half-duplex link
--   kept  whether it has rows in the tables: of more than $most of a kind the first in the order of their names, those in the total before others
--
-- perfkit's collections carry the topology of /sys in their session: a disk counts if it is not made of other block devices, an
-- interface if it is physical; a hidden path of a disk has no `in_total` there, and its counters decide. For others, and for a device that no session lists, the name decides (`role_of`): it counts unless it is
-- a partition or a VLAN of a device that is listed too, or its name is one of a device that is made of others. Where nothing would count but
-- names that may lead out of the machine (tunnels, taps), these count.
WITH sessions_devices AS (
    SELECT machine, timestamp, 'disk' AS kind, unnest(map_entries(from_json(facts -> '$.disks', '"MAP(VARCHAR, JSON)"'))) AS entry FROM sessions
    UNION ALL
    SELECT machine, timestamp, 'interface', unnest(map_entries(from_json(facts -> '$.interfaces', '"MAP(VARCHAR, JSON)"'))) FROM sessions
), topology AS (
    SELECT machine, kind, entry.key AS device, max_by(try_cast(entry.value ->> '$.in_total' AS BOOLEAN), timestamp) AS in_total,
           max_by(whole(entry.value ->> '$.speed_mbit'), timestamp) AS speed_mbit, coalesce(max_by(entry.value ->> '$.duplex', timestamp), '') AS duplex
    FROM sessions_devices
    GROUP BY ALL
), heads AS (
    -- Devices are few and lines are many: names are taken out of one line of each.
    SELECT machine, subsystem, head_of(subsystem, line) AS head, any_value(line) AS line,
           bool_or(contains(line, 'nvme') AND regexp_matches(line, '[a-z]\d+n\d+ .*[1-9]')) AS moved
    FROM (SELECT machine, subsystem, unnest(lines_of(measurement)) AS line FROM raw WHERE subsystem IN ('/proc/diskstats', '/proc/net/dev'))
    GROUP BY ALL
), seen AS (
    SELECT machine, if(subsystem = '/proc/net/dev', 'interface', 'disk') AS kind, device_of(subsystem, line) AS device, any_value(line) AS line,
           bool_or(moved) AS moved
    FROM heads
    WHERE device <> ''
    GROUP BY ALL
), named AS MATERIALIZED (
    SELECT *, role_of(kind, device) AS role,
           CASE kind WHEN 'disk' THEN coalesce(nullif(regexp_extract(device, '^(.*\d)p\d+$', 1), ''), nullif(regexp_extract(device, '^(.*\D)\d+$', 1), ''))
                     ELSE nullif(regexp_extract(device, '^(.+)\.\d+$', 1), '') END AS parent
    FROM seen
), carried AS (
    -- Packets since the boot by the newest read. What leads to a switch carries what its ports do, and little more.
    SELECT machine, sum(packets) FILTER (role = 'port') BETWEEN 0.8 * max(packets) FILTER (leads) AND 1.1 * max(packets) FILTER (leads)
                    OR sum(packets) FILTER (role = 'port') BETWEEN 0.8 * sum(packets) FILTER (leads) AND 1.1 * sum(packets) FILTER (leads) AS before
    FROM (
        SELECT machine, role, regexp_matches(device, '^(eth\d|en)\w*$') AS leads, numbers[2] + numbers[10] AS packets
        FROM (
            SELECT machine, device_of(subsystem, line) AS device, try_cast(regexp_extract_all(regexp_extract(line, '[^:]*$'), '\d+') AS DOUBLE[]) AS numbers
            FROM (SELECT machine, subsystem, unnest(lines_of(max_by(measurement, timestamp))) AS line FROM raw
                  WHERE subsystem = '/proc/net/dev' AND machine IN (SELECT machine FROM named WHERE role = 'port') GROUP BY machine, subsystem)
        ) LEFT JOIN (FROM named WHERE kind = 'interface') USING (machine, device)
    ) GROUP BY machine
), guessed AS MATERIALIZED (
    SELECT n.*, parents.device IS NULL AND CASE
               WHEN role IS NULL THEN true
               -- The hidden paths of a multipath disk count where its head does not count itself (before Linux 6.4).
               WHEN role = 'path' THEN NOT coalesce(heads.moved, false)
               -- The fast twin of a paravirtual interface, whose packets that interface counts too.
               WHEN role = 'twin' THEN twins.machine IS NULL
               WHEN role = 'port' THEN NOT coalesce(carried.before, false)
               ELSE false END AS counts
    FROM named AS n
    LEFT JOIN seen AS parents ON parents.machine = n.machine AND parents.kind = n.kind AND parents.device = n.parent
    LEFT JOIN seen AS heads ON heads.machine = n.machine AND heads.kind = n.kind AND heads.device = regexp_replace(n.device, 'c\d+(n\d+)$', '\1')
                               AND heads.device <> n.device
    LEFT JOIN carried ON carried.machine = n.machine
    LEFT JOIN (SELECT DISTINCT machine FROM seen WHERE kind = 'interface' AND regexp_matches(device, '^eth\d+$')) AS twins ON twins.machine = n.machine
), decided AS (
    -- A window over all devices of a machine would cost 150 us for each of them.
    SELECT g.*, g.counts OR (g.role = 'outward' AND others.machine IS NULL) AS by_name
    FROM guessed AS g LEFT JOIN (SELECT DISTINCT machine, kind FROM guessed WHERE counts) AS others ON others.machine = g.machine AND others.kind = g.kind
)
SELECT d.machine, d.kind, d.device, if(coalesce(t.in_total, d.by_name), 1, 0) AS in_total, t.machine IS NOT NULL AS told,
       row_number() OVER (PARTITION BY d.machine, d.kind ORDER BY coalesce(t.in_total, d.by_name) DESC, d.device) <= $most AS kept,
       regexp_matches(d.line, '^ *\d+ +\d+ +\S.* (?:\d+ +){13}\d+ *') AS counts_discards  -- fields 12 to 15 of /proc/diskstats are there
       , nullif(t.speed_mbit, 0) AS speed_mbit, t.duplex = 'half' AS shared_link
FROM decided AS d
LEFT JOIN topology AS t ON t.machine = d.machine AND t.kind = d.kind AND t.device = d.device
