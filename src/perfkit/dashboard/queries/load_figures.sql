-- What the load tools reported between two instants: means of throughput, of errors per second and of each row's latency P95.
SELECT avg(throughput) AS throughput, avg(errors) AS errors, avg(latency_p95_ms) AS latency_p95_ms
FROM load_metrics WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end
