SELECT metric, device, samples, min, avg, max, stddev, p50, p90, p95, p99
FROM percentiles
WHERE collector_id = :collector AND range = :range
ORDER BY metric, device
