-- filesystem.csv: how full each mounted filesystem was, in bytes.
--
-- Source: statfs(2) of each mounted real filesystem (man 2 statfs), one JSON object a line:
--   mount_point  block_size (bytes)  blocks_total  blocks_free  blocks_available (free to users other than root)
WITH mounts AS (
    SELECT source, timestamp, unnest(string_split(measurement, chr(10))) AS line FROM raw WHERE subsystem = 'statfs[*]'
), fields AS (
    SELECT DISTINCT ON (source, timestamp, mount) source, timestamp, line ->> '$.mount_point' AS mount,
           whole(line ->> '$.block_size') AS block_size, whole(line ->> '$.blocks_total') AS total,
           whole(line ->> '$.blocks_free') AS free, whole(line ->> '$.blocks_available') AS available
    FROM mounts
    WHERE json_valid(line)
)
SELECT source, timestamp, mount,
       block_size * total AS size_bytes,                                  -- B
       block_size * free AS free_bytes,                                   -- B, root's reserve inside
       block_size * available AS available_bytes,                         -- B, for users other than root
       100 * (total - available) / nullif(total, 0) AS used_percent       -- % of the size that a user cannot get
FROM fields
WHERE mount IS NOT NULL
