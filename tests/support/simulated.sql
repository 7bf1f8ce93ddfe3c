-- Invented series with one truth, into `series`: $runs of them, $samples each, as of the metric $metric. Standard normal values of which
-- neighbours correlate by $phi, and what {value} makes of them; `burst` is true in a tenth of the time, for about ten samples at once.
-- Every number comes from a hash, so that one $seed gives the same series on every machine and with any number of threads.
INSERT INTO series
WITH RECURSIVE noise AS (
    SELECT run, 0 AS i, normal($seed, run, 0) AS z, chance($seed, run, 0, 3) < 0.1 AS burst FROM range($runs) AS r(run)
    UNION ALL
    SELECT run, i + 1, $phi * z + sqrt(1 - $phi * $phi) * normal($seed, run, i + 1), chance($seed, run, i + 1, 3) < if(burst, 0.9, 0.011)
    FROM noise WHERE i + 1 < $samples
)
SELECT run, $metric, '', i, {value} FROM noise
