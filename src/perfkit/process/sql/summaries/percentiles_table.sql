-- Distributions: one row per machine, window, metric (<table>.<column>) and device ('' where a sample is one row).
--   samples  values that are there (n)   stddev  of the sample (n - 1)   p50 ... p99  interpolated linearly between neighbours
CREATE OR REPLACE TABLE percentiles (
    machine INTEGER, range VARCHAR, metric VARCHAR, device VARCHAR, from_timestamp BIGINT, to_timestamp BIGINT, samples BIGINT,
    min DOUBLE, avg DOUBLE, max DOUBLE, stddev DOUBLE, p50 DOUBLE, p90 DOUBLE, p95 DOUBLE, p99 DOUBLE
)
