-- filesystem.csv: how full each mounted filesystem was, in bytes.
--
-- Source: statfs(2) of each mounted real filesystem (man 2 statfs), one JSON object a line:
--   mount_point  block_size (bytes)  blocks_total  blocks_free  blocks_available (free to users other than root)
-- A filesystem of exabytes (object stores) has sizes that fit no column: these cells are empty, its share stays.
WITH mounts AS (
    SELECT machine, timestamp, unnest(string_split(measurement, chr(10))) AS line FROM raw WHERE subsystem = 'statfs[*]'
), fields AS (
    SELECT DISTINCT ON (machine, timestamp, mount) machine, timestamp, line ->> '$.mount_point' AS mount,
           nullif(sane(try_cast(line ->> '$.block_size' AS DOUBLE)), 0) AS block_size, sane(try_cast(line ->> '$.blocks_total' AS DOUBLE)) AS total,
           part_of(sane(try_cast(line ->> '$.blocks_free' AS DOUBLE)), total) AS free,
           part_of(sane(try_cast(line ->> '$.blocks_available' AS DOUBLE)), total) AS available
    FROM mounts
    WHERE json_valid(line)
)
SELECT machine, timestamp, mount,
       whole_bytes(block_size * total) AS size_bytes,                     -- B
       whole_bytes(block_size * free) AS free_bytes,                      -- B, root's reserve inside
       whole_bytes(block_size * available) AS available_bytes,            -- B, for users other than root
       100 * (total - available) / nullif(total, 0) AS used_percent,      -- % of the size that a user cannot get
       CASE WHEN total IS NULL OR free IS NULL OR available IS NULL OR size_bytes IS NULL THEN 'its size is not a possible number' END AS why
FROM fields
WHERE mount IS NOT NULL
