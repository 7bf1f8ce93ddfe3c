-- The requests per second of all load tools together in the ten seconds from an instant (ms) on; NULL where none reported any.
SELECT sum(throughput) AS throughput
FROM (
    SELECT avg(throughput) AS throughput FROM load_metrics
    WHERE collector_id = :collector AND timestamp BETWEEN :at AND :at + 10000 GROUP BY run
)
