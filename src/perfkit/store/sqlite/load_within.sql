-- What all load tools of a collector reported together in [:start, :end] ms, a row per instant: work adds up, a latency is that of the
-- slowest tool. SQLite runs it.
SELECT timestamp, sum(throughput) AS throughput, sum(errors) AS errors, max(latency_avg_ms) AS latency_avg_ms, max(latency_p50_ms) AS latency_p50_ms,
       max(latency_p90_ms) AS latency_p90_ms, max(latency_p95_ms) AS latency_p95_ms, max(latency_p99_ms) AS latency_p99_ms
FROM load_metrics WHERE collector_id = :collector_id AND timestamp BETWEEN :start AND :end
GROUP BY timestamp
