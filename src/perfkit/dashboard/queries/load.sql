-- What the load tools reported, in buckets of :width ms, one device per run. A figure that a tool does not give is empty.
SELECT
    run, timestamp - timestamp % :width AS bucket, avg(users) AS users, avg(throughput) AS throughput, avg(errors) AS errors,
    avg(latency_avg_ms) AS latency_avg_ms, avg(latency_p50_ms) AS latency_p50_ms, avg(latency_p90_ms) AS latency_p90_ms,
    avg(latency_p95_ms) AS latency_p95_ms, max(latency_p99_ms) AS latency_p99_ms, max(latency_max_ms) AS latency_max_ms
FROM load_metrics
WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end
GROUP BY run, bucket
ORDER BY run, bucket
