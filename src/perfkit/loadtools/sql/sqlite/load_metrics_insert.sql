INSERT INTO load_metrics
    (collector_id, run, timestamp, users, throughput, errors, latency_avg_ms, latency_p50_ms, latency_p90_ms, latency_p95_ms, latency_p99_ms,
     latency_max_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
