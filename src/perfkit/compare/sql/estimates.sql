-- What is known of each metric of each run, from `series` (run, metric, device, timestamp, value): a row per figure.
--   value        avg, or the quantile p that lies between neighbours as everywhere
--   low, high    its 95 % interval, for neighbours that resemble each other; NULL for an end that the data does not reach
--   spread       the standard error of avg; of a quantile that of its level
--   n, n_effective   samples, and how many independent ones they are worth: n (1 - r) / (1 + r), r the correlation of neighbours
--   drift        how much of the series is a slow rise (or fall, negative): its first projection beside the others, as Student's t of 7
-- The mean's variance is that of equal-weighted cosines: the mean of the squares of $basis projections of the series onto
-- sqrt(2 / n) cos(pi j (i - 1/2) / n), divided by n (Lazarus, Lewis, Stock and Watson 2018, "HAR Inference"). A quantile's is that of the
-- level at it, from the same projections of (value <= quantile), read off the data at the levels p - t s and p + t s (Woodruff 1952).
WITH placed AS (
    SELECT run, metric, device, value, row_number() OVER in_time AS i, count(*) OVER whole AS n, avg(value) OVER whole AS mean,
           lag(value) OVER in_time AS previous
    FROM series
    WHERE value IS NOT NULL
    WINDOW whole AS (PARTITION BY run, metric, device), in_time AS (PARTITION BY run, metric, device ORDER BY timestamp)
), totals AS (
    SELECT run, metric, device, any_value(n) AS n, any_value(mean) AS mean, list(value ORDER BY value) AS sorted,
           sum((value - mean) * (previous - mean)) / nullif(sum((value - mean) * (value - mean)), 0) AS r
    FROM placed GROUP BY ALL
), quantiles AS (
    SELECT *, list_transform($levels, lambda p: at_level(sorted, p)) AS q FROM totals
), projections AS (
    SELECT run, metric, device, j, sum((value - p.mean) * cos(pi() * j * (i - 0.5) / p.n)) AS of_mean,
           coalesce(sum(cos(pi() * j * (i - 0.5) / p.n)) FILTER (value <= q[1]), 0) AS of_1,
           coalesce(sum(cos(pi() * j * (i - 0.5) / p.n)) FILTER (value <= q[2]), 0) AS of_2,
           coalesce(sum(cos(pi() * j * (i - 0.5) / p.n)) FILTER (value <= q[3]), 0) AS of_3,
           coalesce(sum(cos(pi() * j * (i - 0.5) / p.n)) FILTER (value <= q[4]), 0) AS of_4
    FROM placed AS p JOIN quantiles USING (run, metric, device) CROSS JOIN (SELECT unnest(range(1, $basis + 1)) AS j)
    GROUP BY run, metric, device, j
), spreads AS (
    SELECT run, metric, device, avg(of_mean * of_mean) AS s_mean,
           -sum(of_mean) FILTER (j = 1) / nullif(sqrt(avg(of_mean * of_mean) FILTER (j > 1)), 0) AS drift,
           avg(of_1 * of_1) AS s_1, avg(of_2 * of_2) AS s_2, avg(of_3 * of_3) AS s_3,
           avg(of_4 * of_4) AS s_4
    FROM projections GROUP BY run, metric, device
), figures AS (
    SELECT *, unnest([{'figure': 'avg', 'level': NULL::DOUBLE, 'value': mean, 'spread': sqrt(2 * s_mean) / n},
                      {'figure': 'p50', 'level': $levels[1], 'value': q[1], 'spread': sqrt(2 * s_1) / n},
                      {'figure': 'p90', 'level': $levels[2], 'value': q[2], 'spread': sqrt(2 * s_2) / n},
                      {'figure': 'p95', 'level': $levels[3], 'value': q[3], 'spread': sqrt(2 * s_3) / n},
                      {'figure': 'p99', 'level': $levels[4], 'value': q[4], 'spread': sqrt(2 * s_4) / n}], recursive := true)
    FROM quantiles JOIN spreads USING (run, metric, device)
)
SELECT run, metric, device, figure, value,
       CASE WHEN level IS NULL THEN value - $t * spread WHEN level - $t * spread > 0 THEN at_level(sorted, level - $t * spread) END AS low,
       CASE WHEN level IS NULL THEN value + $t * spread WHEN level + $t * spread < 1 THEN at_level(sorted, level + $t * spread) END AS high,
       spread, n, least(n, n * (1 - coalesce(r, 0)) / (1 + coalesce(r, 0))) AS n_effective, drift
FROM figures
ORDER BY run, metric, device, level NULLS FIRST
