-- What each command (or service) used in each bucket of a window: the sum over its processes and samples. The first of these with a sum at all is
-- the one that used most.
SELECT timestamp - timestamp % :width AS bucket, {name} AS name, {sums}
FROM {table}
WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end
GROUP BY bucket, name
