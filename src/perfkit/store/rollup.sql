-- The buckets of one level that start in [:start, :until), computed from the samples. A bucket whose samples were pruned keeps what it has.
INSERT INTO {table}_{level} (collector_id, {keys}timestamp, samples, {columns})
SELECT collector_id, {keys}timestamp - timestamp % :width, count(*), {aggregates}
FROM {table}
WHERE collector_id = :collector_id AND {device_is}timestamp >= :start AND timestamp < :until
GROUP BY {keys}timestamp - timestamp % :width
ON CONFLICT DO UPDATE SET (samples, {columns}) = (excluded.samples, {excluded})
WHERE excluded.samples >= samples
