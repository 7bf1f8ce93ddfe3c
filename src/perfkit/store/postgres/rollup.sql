-- The closed buckets of one level that new samples fall in, or that closed with them.
INSERT INTO {table}_{level} (collector_id, {keys}timestamp, samples, {columns})
SELECT collector_id, {group}timestamp - timestamp % :width, count(*), {aggregates}
FROM {table}
WHERE collector_id = :collector_id AND timestamp >= :start AND timestamp < :until
GROUP BY collector_id, {group}timestamp - timestamp % :width
ON CONFLICT (collector_id, {device}timestamp) DO UPDATE SET (samples, {columns}) = ROW (excluded.samples, {excluded})
WHERE excluded.samples >= {table}_{level}.samples
