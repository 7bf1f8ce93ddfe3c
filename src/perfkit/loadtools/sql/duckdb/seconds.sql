-- A row per stretch of $width ms, from the first operation of rank $rank in $sections to the last; one without operations has
-- throughput 0. Percentiles are those of single operations: where a latency is the mean of several, there are none.
WITH chosen AS (
    SELECT *, ended // $width::BIGINT * $width::BIGINT AS timestamp
    FROM reports
    WHERE list_contains($sections, section) AND ended IS NOT NULL AND (rank IS NULL OR rank = $rank)
), measured AS (
    SELECT
        timestamp,
        sum(operations) AS operations,
        sum(errors) AS errors,
        sum(latency * weight) / sum(weight) FILTER (latency IS NOT NULL) AS latency_avg_ms,
        CASE WHEN max(weight) FILTER (latency IS NOT NULL) = 1 THEN quantile_cont(latency, [0.5, 0.9, 0.95, 0.99]) END AS latency,
        CASE WHEN bool_and(weight = 1 OR longest IS NOT NULL) FILTER (latency IS NOT NULL) THEN max(coalesce(longest, latency)) END
            AS latency_max_ms,
        max(users) AS users,
        sum(change) AS change,
        sum(dropped) AS dropped,
        sum(starved) AS starved
    FROM chosen
    GROUP BY timestamp
), known AS (
    SELECT count(errors) > 0 AS errors, min(timestamp) FILTER (rank = $rank) AS first, max(timestamp) FILTER (rank = $rank) AS last FROM chosen
), every AS (  -- what happened before the first operation or after the last is kept for the number of users
    SELECT unnest(generate_series(first, last, $width::BIGINT)) AS timestamp FROM known
    UNION
    SELECT timestamp FROM measured
), whole AS (
    SELECT
        timestamp,
        coalesce(
            last_value(users IGNORE NULLS) OVER (ORDER BY timestamp),
            CASE WHEN count(change) OVER () > 0 THEN greatest(sum(change) OVER (ORDER BY timestamp), 0) END
        ) AS users,
        coalesce(operations, 0) * 1000.0 / $width AS throughput,
        CASE WHEN known.errors THEN coalesce(measured.errors, 0) * 1000.0 / $width END AS errors,
        latency_avg_ms,
        latency[1] AS latency_p50_ms,
        latency[2] AS latency_p90_ms,
        latency[3] AS latency_p95_ms,
        latency[4] AS latency_p99_ms,
        latency_max_ms,
        coalesce(dropped, 0) AS dropped,
        coalesce(starved, 0) AS starved
    FROM known, every LEFT JOIN measured USING (timestamp)
)
SELECT whole.* FROM whole, known WHERE timestamp BETWEEN first AND last ORDER BY timestamp;
