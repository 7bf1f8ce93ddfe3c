-- What the load tools reported, in buckets of :width ms, a run a device. Tools that give no percentiles have their mean and maximum instead.
SELECT
    run, timestamp - timestamp % :width AS bucket, avg(users) AS users, avg(throughput) AS throughput, avg(errors) AS errors,
    avg(coalesce(latency_p50_ms, latency_avg_ms)) AS latency_p50_ms, avg(coalesce(latency_p95_ms, latency_p90_ms)) AS latency_p95_ms,
    max(coalesce(latency_p99_ms, latency_max_ms)) AS latency_p99_ms
FROM load_metrics
WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end
GROUP BY run, bucket
ORDER BY run, bucket
