-- What each load tool of a collector reported in [:start, :end] ms. The latency is the mean where a tool tells it, else the median, else the P95.
SELECT run, timestamp, users, throughput, coalesce(latency_avg_ms, latency_p50_ms, latency_p95_ms) AS latency_ms
FROM load_metrics WHERE collector_id = :collector_id AND timestamp BETWEEN :start AND :end
ORDER BY run, timestamp
