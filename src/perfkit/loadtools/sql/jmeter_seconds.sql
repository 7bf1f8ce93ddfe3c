-- Columns that this run was told not to write.
ALTER TABLE results ADD COLUMN IF NOT EXISTS allThreads VARCHAR;
ALTER TABLE results ADD COLUMN IF NOT EXISTS success VARCHAR;

CREATE TEMP TABLE seconds AS
WITH samples AS (
    SELECT
        (CAST(timeStamp AS BIGINT) + CAST(elapsed AS BIGINT)) // 1000 * 1000 AS timestamp,  -- ms: the second in which it ended
        CAST(elapsed AS DOUBLE) AS elapsed,                                                 -- ms
        lower(success) = 'false' AS failed,
        TRY_CAST(allThreads AS DOUBLE) AS threads
    FROM results
    WHERE TRY_CAST(timeStamp AS BIGINT) IS NOT NULL AND TRY_CAST(elapsed AS BIGINT) IS NOT NULL
), requests AS (
    SELECT
        timestamp,
        count(*) AS throughput,
        count(*) FILTER (failed) AS errors,
        avg(elapsed) AS latency_avg_ms,
        quantile_cont(elapsed, [0.5, 0.9, 0.95, 0.99]) AS latency,
        max(elapsed) AS latency_max_ms,
        max(threads) AS users
    FROM samples
    GROUP BY timestamp
), every_second AS (
    SELECT unnest(generate_series(min(timestamp), max(timestamp), 1000)) AS timestamp FROM samples
)
SELECT
    timestamp,
    last_value(users IGNORE NULLS) OVER (ORDER BY timestamp) AS users,
    coalesce(throughput, 0)::DOUBLE AS throughput,
    coalesce(errors, 0)::DOUBLE AS errors,
    latency_avg_ms,
    latency[1] AS latency_p50_ms,
    latency[2] AS latency_p90_ms,
    latency[3] AS latency_p95_ms,
    latency[4] AS latency_p99_ms,
    latency_max_ms
FROM every_second LEFT JOIN requests USING (timestamp);
