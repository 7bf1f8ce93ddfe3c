-- What each command (or service) used in each bucket of a window: the sum over its processes, of the sum over the samples, or of the average of
-- a gauge. `names` (JSON) are those that are wanted, NULL for all.
SELECT bucket, name, {sums}
FROM (
    SELECT timestamp - timestamp % :width AS bucket, {name} AS name, {of_each}
    FROM {table}
    WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end AND (:names IS NULL OR {name} IN (SELECT value FROM json_each(:names)))
    GROUP BY bucket, {name}, {key}
)
GROUP BY bucket, name
