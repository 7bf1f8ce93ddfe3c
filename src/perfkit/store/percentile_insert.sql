INSERT OR REPLACE INTO percentiles
    (collector_id, range, metric, device, from_timestamp, to_timestamp, samples, min, avg, max, stddev, p50, p90, p95, p99)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
