-- The stored percentiles of a collector whose windows lie in [:first, :last], as process/sql/summaries/percentiles_table.sql has them.
SELECT collector_id, range, metric, device, from_timestamp, to_timestamp, samples, min, avg, max, stddev, p50, p90, p95, p99
FROM percentiles WHERE collector_id = :collector_id AND from_timestamp >= :first AND to_timestamp <= :last
