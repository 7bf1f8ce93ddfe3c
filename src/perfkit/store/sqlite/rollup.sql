-- The buckets of one level that start in [:start, :until), computed from the samples. A bucket whose samples were pruned keeps what it has.
INSERT INTO {table} (collector_id, {keys}timestamp, samples, {rolled_up})
SELECT collector_id, {keys}timestamp - timestamp % :width, count(*), {aggregates}
FROM {samples}
WHERE collector_id = :collector_id AND {device_is}timestamp >= :start AND timestamp < :until
GROUP BY {keys}timestamp - timestamp % :width
ON CONFLICT DO UPDATE SET (samples, {rolled_up}) = (excluded.samples, {excluded})
WHERE excluded.samples >= samples
