SELECT range, from_timestamp, to_timestamp, metric, device, samples, min, avg, max, stddev, p50, p90, p95, p99
FROM percentiles WHERE source = ?
