-- The figures of $runs invented runs of one machine, $samples each, of $metrics: (run, metric, [avg, p50, p90, p95, p99]). Every run has a level
-- of its own in each metric, 1 % apart, and metrics look as those of machines do, by turns: plain, in whole steps, skewed, bursts, shares that
-- reach their bound, and one that never changes. Neighbours correlate by 0.5 to 0.9.
WITH RECURSIVE noise AS (
    SELECT run, place, 0 AS i, [0.8, 0.8, 0.5, 0.5, 0.9, 0.5][place % 6 + 1] AS phi, 40 * (1 + 0.01 * normal($seed, run, -1 - place)) AS level,
           normal($seed + place, run, 0) AS z, chance($seed + place, run, 0, 3) < 0.1 AS burst
    FROM range($runs) AS r(run), range(len($metrics)) AS m(place)
    UNION ALL
    SELECT run, place, i + 1, phi, level, phi * z + sqrt(1 - phi * phi) * normal($seed + place, run, i + 1),
           chance($seed + place, run, i + 1, 3) < if(burst, 0.9, 0.011)
    FROM noise WHERE i + 1 < $samples
), valued AS (
    SELECT run, place, CASE WHEN place % 6 = 0 THEN level * (1 + 0.1 * z) WHEN place % 6 = 1 THEN round(level / 8 * (1 + 0.1 * z))
                            WHEN place % 6 = 2 THEN level * exp(z) WHEN place % 6 = 3 THEN if(burst, level * exp(z), 0)
                            WHEN place % 6 = 4 THEN least(100, 2 * level + 20 * z) ELSE 40 END AS value
    FROM noise
)
SELECT run, $metrics[place + 1], list_prepend(avg(value), quantile_cont(value, [0.5, 0.9, 0.95, 0.99])) FROM valued GROUP BY run, place
