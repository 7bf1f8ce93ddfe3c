-- Every disk and network interface of a source, and whether the host's total counts it (in_total 1 or 0).
--
-- perfkit's collections carry the topology of /sys in their session: a disk counts if it is not made of other block devices, an
-- interface if it is physical. For others, and for a device that no session lists, the name decides:
--   disks       not a partition of a disk that is listed too (sda1 of sda, nvme0n1p1 of nvme0n1), not dm-*, md*, loop*, ram*, zram*, sr*, fd*
--   interfaces  not lo, veth*, docker*, br-*, virbr*, cni*, flannel*, cali*, not a VLAN (eth0.5) of an interface that is listed too
WITH told AS (
    SELECT source, 'disk' AS kind, unnest(json_keys(facts, '$.disks')) AS device,
           json_extract(facts, '$.disks."' || device || '".in_total') = 'true' AS in_total, timestamp FROM sessions
    UNION ALL
    SELECT source, 'interface', unnest(json_keys(facts, '$.interfaces')) AS device,
           json_extract(facts, '$.interfaces."' || device || '".in_total') = 'true', timestamp FROM sessions
), topology AS (
    SELECT source, kind, device, max_by(in_total, timestamp) AS in_total FROM told GROUP BY ALL
), lines AS (
    SELECT source, subsystem, unnest(lines_of(measurement)) AS line, generate_subscripts(lines_of(measurement), 1) AS place
    FROM raw
    WHERE subsystem IN ('/proc/diskstats', '/proc/net/dev')
), others AS (
    SELECT source, subsystem, device_of(subsystem, lines.line) AS other, lines.line
    FROM lines LEFT JOIN places USING (source, subsystem, place)
    WHERE if(starts_with(lines.line, head), false, other <> '')
), seen AS (
    SELECT source, if(subsystem = '/proc/net/dev', 'interface', 'disk') AS kind, device, any_value(line) AS line
    FROM (SELECT source, subsystem, device, line FROM places UNION ALL FROM others)
    GROUP BY source, kind, device
), named AS (
    SELECT source, kind, device, line,
           CASE kind WHEN 'disk' THEN regexp_extract(device, '^((?:[a-z]+d[a-z]+)|(?:nvme\d+n\d+|mmcblk\d+|nbd\d+))p?\d+$', 1)
                     ELSE regexp_extract(device, '^(.+)\.\d+$', 1) END AS parent,
           CASE kind WHEN 'disk' THEN regexp_matches(device, '^(dm-|md\d|md_|loop|ram\d|zram|sr\d|fd\d)')
                     ELSE regexp_matches(device, '^(lo$|veth|docker|br-|virbr|cni|flannel|cali)') END AS never
    FROM seen
)
SELECT named.source, named.kind, named.device,
       CASE WHEN coalesce(topology.in_total, NOT never AND parents.device IS NULL) THEN 1 ELSE 0 END AS in_total,
       regexp_matches(named.line, '^ *(?:\S+ +){16}\S') AS counts_discards  -- fields 12 to 15 of /proc/diskstats are there
FROM named
LEFT JOIN topology USING (source, kind, device)
LEFT JOIN seen AS parents ON parents.source = named.source AND parents.kind = named.kind AND parents.device = named.parent
