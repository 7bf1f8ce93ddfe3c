-- Columns that this run was told not to write.
ALTER TABLE history ADD COLUMN IF NOT EXISTS "50%" VARCHAR;
ALTER TABLE history ADD COLUMN IF NOT EXISTS "90%" VARCHAR;
ALTER TABLE history ADD COLUMN IF NOT EXISTS "95%" VARCHAR;
ALTER TABLE history ADD COLUMN IF NOT EXISTS "99%" VARCHAR;
ALTER TABLE history ADD COLUMN IF NOT EXISTS "100%" VARCHAR;

-- Requests/s and Failures/s are Locust's own sliding averages, the percentiles its current ones; its averages are since the start of
-- the run, so they are left out.
CREATE TEMP TABLE seconds AS
SELECT
    CAST("Timestamp" AS BIGINT) * 1000 AS timestamp,
    any_value(TRY_CAST("User Count" AS DOUBLE)) AS users,
    any_value(TRY_CAST("Requests/s" AS DOUBLE)) AS throughput,
    any_value(TRY_CAST("Failures/s" AS DOUBLE)) AS errors,
    NULL::DOUBLE AS latency_avg_ms,
    any_value(TRY_CAST("50%" AS DOUBLE)) AS latency_p50_ms,
    any_value(TRY_CAST("90%" AS DOUBLE)) AS latency_p90_ms,
    any_value(TRY_CAST("95%" AS DOUBLE)) AS latency_p95_ms,
    any_value(TRY_CAST("99%" AS DOUBLE)) AS latency_p99_ms,
    any_value(TRY_CAST("100%" AS DOUBLE)) AS latency_max_ms
FROM history
WHERE "Name" = 'Aggregated' AND TRY_CAST("Timestamp" AS BIGINT) IS NOT NULL
GROUP BY "Timestamp";
