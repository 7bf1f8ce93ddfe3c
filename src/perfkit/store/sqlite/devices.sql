-- The devices of a collector, by one index probe each: the rows themselves are not read.
WITH RECURSIVE known(device) AS (
    SELECT min({device}) FROM {table} WHERE collector_id = :collector_id
    UNION ALL
    SELECT (SELECT min({device}) FROM {table} WHERE collector_id = :collector_id AND {device} > known.device)
    FROM known WHERE known.device IS NOT NULL
)
SELECT device FROM known WHERE device IS NOT NULL
