SELECT metric, device, samples, min, avg, max, stddev, p50, p90, p95, p99
FROM percentiles
WHERE collector_id = :collector_id AND from_timestamp = :start AND to_timestamp = :end
