-- One device's buckets from the rollups as far as they reach, and from the samples behind that.
SELECT timestamp - timestamp % :bucket AS bucket, sum(samples), {merged}
FROM (
    SELECT timestamp, samples, {rolled}
    FROM {table}_{level}
    WHERE collector_id = :collector_id AND {device_is}timestamp >= :start AND timestamp < min(:end, :until)
    UNION ALL
    SELECT timestamp, 1, {sampled}
    FROM {table}
    WHERE collector_id = :collector_id AND {device_is}timestamp >= max(:start, :until) AND timestamp < :end
)
GROUP BY bucket
ORDER BY bucket
