-- What is known of each of $metrics of each run, from `series` (run, metric, device, timestamp, value): a row per figure.
--   value        avg, or the quantile p that lies between neighbours as everywhere
--   low, high    its 95 % interval, for neighbours that resemble each other; NULL for an end that the data does not reach
--   spread       the standard error of avg; of a quantile that of its level
--   n, n_effective   samples, and how many independent ones they are worth: n (1 - r) / (1 + r), r the correlation of neighbours
--   drift        how much of the series is a slow rise (or fall, negative): its first projection compared with the others, as Student's t of 7
--   first, last  the means of its first and its last third
-- The mean's variance is that of equal-weighted cosines: the mean of the squares of $basis projections of the series onto
-- sqrt(2 / n) cos(pi j (i - 1/2) / n), divided by n (Lazarus, Lewis, Stock and Watson 2018, "HAR Inference"). Projections of a higher j see
-- less of a slow series than its mean does: the variance is widened by what they lose where neighbours correlate as much as they well may,
-- `alike`: r, its bias (1 + 4 r) / n, and two standard errors. Without, 92 of 100 intervals hold the truth where n_effective is near 30.
-- A quantile's variance is that of the level at it, from the same projections of (value <= quantile), read off the data at the levels
-- p - t s and p + t s (Woodruff 1952).
WITH listed AS (
    SELECT run, metric, device, list(value ORDER BY timestamp) AS samples, list(value ORDER BY value) AS sorted, count(*) AS n
    FROM series WHERE value IS NOT NULL AND list_contains($metrics, metric) GROUP BY run, metric, device
), averaged AS (
    -- Of lists, as sums over rows change their last digits with the order in which threads bring them. Not below, where it would be in a lambda.
    SELECT *, list_avg(samples) AS mean FROM listed
), totals AS (
    SELECT *, list_transform($levels, lambda p: at_level(sorted, p)) AS q, list_transform(samples, lambda v: v - mean) AS centred FROM averaged
), waves AS (
    SELECT n, j, list(cos(pi() * j * (i - 0.5) / n) ORDER BY i) AS wave
    FROM (SELECT DISTINCT n FROM totals), unnest(range(1, n + 1)) AS t(i), (SELECT unnest(range(1, $basis + 1)) AS j)
    GROUP BY n, j
), signals AS (
    SELECT run, metric, device, n, unnest(range(len($levels) + 1)) AS place,
           unnest(list_concat([centred], list_transform(q, lambda x: list_transform(samples, lambda v: if(v <= x, 1.0::DOUBLE, 0.0::DOUBLE))))) AS signal
    FROM totals
), projections AS (
    SELECT run, metric, device, place, list(list_inner_product(signal, wave) ORDER BY j) AS p FROM signals JOIN waves USING (n) GROUP BY ALL
), spreads AS (
    SELECT run, metric, device, place, list_inner_product(p, p) / $basis AS s,
           -p[1] / nullif(sqrt(list_inner_product(p[2:], p[2:]) / ($basis - 1)), 0) AS drift
    FROM projections
), correlated AS (
    SELECT *, list_inner_product(centred[2:], centred[:-2]) / nullif(list_inner_product(centred, centred), 0) AS r,
           greatest(0, least(0.99, r + (1 + 4 * r) / n + 2 * sqrt(greatest(1 - r * r, 0) / n))) AS alike,
           list_avg(list_transform(range(1, $basis + 1), lambda j: 2 - 2 * cos(pi() * j / n))) AS bend
    FROM totals
), figures AS (
    SELECT *, $levels[place] AS level, sqrt(2 * s * if(place = 0, 1 + coalesce(alike, 0) * bend / ((1 - coalesce(alike, 0)) * (1 - coalesce(alike, 0))), 1)) / n AS spread
    FROM correlated JOIN spreads USING (run, metric, device)
)
SELECT run, metric, device, if(place = 0, 'avg', 'p' || round(100 * level)::INTEGER) AS figure, if(place = 0, mean, q[place]) AS value,
       CASE WHEN place = 0 THEN mean - $t * spread WHEN level - $t * spread > 0 THEN at_level(sorted, level - $t * spread) END AS low,
       CASE WHEN place = 0 THEN mean + $t * spread WHEN level + $t * spread < 1 THEN at_level(sorted, level + $t * spread) END AS high,
       spread, n, least(n, n * (1 - coalesce(r, 0)) / (1 + coalesce(r, 0))) AS n_effective,
       first_value(drift) OVER (PARTITION BY run, metric, device ORDER BY place) AS drift,
       list_avg(samples[:ceil(n / 3)::BIGINT]) AS first, list_avg(samples[n - ceil(n / 3)::BIGINT + 1:]) AS last
FROM figures
ORDER BY run, metric, device, place
