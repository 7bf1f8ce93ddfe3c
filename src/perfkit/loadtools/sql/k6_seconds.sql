CREATE TEMP TABLE seconds AS
WITH requests AS (
    SELECT
        timestamp,
        sum(value) FILTER (metric = 'http_reqs') AS throughput,                  -- 1/s: counted in this second
        sum(value) FILTER (metric = 'http_req_failed') AS errors,                -- 1/s: 1 for every failed request
        avg(value) FILTER (metric = 'http_req_duration') AS latency_avg_ms,
        quantile_cont(value, [0.5, 0.9, 0.95, 0.99]) FILTER (metric = 'http_req_duration') AS latency,
        max(value) FILTER (metric = 'http_req_duration') AS latency_max_ms,
        max(value) FILTER (metric = 'vus') AS users                              -- virtual users at work
    FROM points
    GROUP BY timestamp
), every_second AS (
    SELECT unnest(generate_series(min(timestamp), max(timestamp), 1000)) AS timestamp FROM points WHERE metric <> 'vus'
)
SELECT
    timestamp,
    last_value(users IGNORE NULLS) OVER (ORDER BY timestamp) AS users,
    coalesce(throughput, 0) AS throughput,
    coalesce(errors, 0) AS errors,
    latency_avg_ms,
    latency[1] AS latency_p50_ms,
    latency[2] AS latency_p90_ms,
    latency[3] AS latency_p95_ms,
    latency[4] AS latency_p99_ms,
    latency_max_ms
FROM every_second LEFT JOIN requests USING (timestamp);
