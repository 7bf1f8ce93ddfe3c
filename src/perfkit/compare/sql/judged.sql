-- Each figure that is compared: both sides with their intervals, the difference (other minus baseline) with its interval, its p, what 8 of 10 times
-- would have been shown (`detectable`), and its verdict or why it has none. SQLite runs it, over the tables of compared.sql.
--
-- One run an arm: of a mean, Welch and Satterthwaite on both standard errors, which have :basis degrees of freedom; of a quantile, MOVER (Zou and
-- Donner 2008) on the ends of both intervals. Several runs an arm: the runs are the unit, Welch's t on their figures.
-- A difference counts where its p stands in the family of all that are judged (Holm 1979, with weights).
--
-- student(t, freedom) is the distribution of Student's t and t_below(probability, freedom) its inverse (statistics.py); :level is that of one end
-- of an interval: 0.975 of one that holds 95 %.
--
-- Joins of what has no index would take minutes for a machine with a thousand disks: windows take their place.
WITH runs_of AS (
    SELECT *, count(*) OVER arm AS runs, iif(min(value) OVER arm = max(value) OVER arm, value, avg(value) OVER arm) AS mean
    FROM figures WINDOW arm AS (PARTITION BY pair, side)
), spreads AS (
    SELECT pair, side, runs, mean, max(low) AS low, max(high) AS high, sum(n) AS n, iif(runs = 1, max(n_effective), runs) AS n_effective,
           iif(runs = 1, max(spread), sqrt(sum((value - mean) * (value - mean)) / (runs - 1) / runs)) AS error, iif(runs = 1, :basis, runs - 1) AS freedom
    FROM runs_of
    GROUP BY pair, side, runs, mean
), sides AS MATERIALIZED (
    SELECT pair, side, runs, mean AS value, n, n_effective, error, freedom,
           iif(runs = 1, low, mean - t_below(:level, freedom) * error) AS low, iif(runs = 1, high, mean + t_below(:level, freedom) * error) AS high
    FROM spreads
), both AS (
    SELECT pair, side, value AS a_value, low AS a_low, high AS a_high, n AS a_n, n_effective AS a_effective, runs AS a_runs, error AS a_error,
           freedom AS a_freedom, lead(value) OVER other AS b_value, lead(low) OVER other AS b_low, lead(high) OVER other AS b_high, lead(n) OVER other AS b_n,
           lead(n_effective) OVER other AS b_effective, lead(runs) OVER other AS b_runs, lead(error) OVER other AS b_error,
           lead(freedom) OVER other AS b_freedom
    FROM sides WINDOW other AS (PARTITION BY pair ORDER BY side)
), pairs AS (
    SELECT both.*, percent, part, weight, worse, forbidden, b_value - a_value AS difference, min(a_runs, b_runs) AS runs,
           min(a_effective, b_effective) AS effective, (a_runs > 1) <> (b_runs > 1) AS is_lopsided,
           percent IS NOT NULL AND a_runs = 1 AND b_runs = 1 AS by_ends, a_error * a_error + b_error * b_error AS variance,
           coalesce(a_error * a_error * a_error * a_error / a_freedom, 0) + coalesce(b_error * b_error * b_error * b_error / b_freedom, 0) AS of_freedom
    FROM both JOIN compared USING (pair)
    WHERE side = 0
), errors AS MATERIALIZED (
    -- The standard error of the difference, downwards and upwards: MOVER's ends are so many of them away. Empty where an interval has an open end.
    SELECT *, iif(by_ends OR variance = 0, :basis, variance * variance / of_freedom) AS freedom,
           CASE WHEN is_lopsided THEN NULL WHEN NOT by_ends THEN sqrt(variance)
                ELSE iif(a_low + b_high IS NULL, NULL, sqrt((b_value - b_low) * (b_value - b_low) + (a_high - a_value) * (a_high - a_value))) / t_below(:level, :basis) END AS down,
           CASE WHEN is_lopsided THEN NULL WHEN NOT by_ends THEN sqrt(variance)
                ELSE iif(a_high + b_low IS NULL, NULL, sqrt((b_high - b_value) * (b_high - b_value) + (a_value - a_low) * (a_value - a_low))) / t_below(:level, :basis) END AS up
    FROM pairs
), differences AS MATERIALIZED (
    SELECT *, difference - t_below(:level, freedom) * down AS low, difference + t_below(:level, freedom) * up AS high,
           CASE WHEN iif(difference > 0, down, up) = 0 THEN difference = 0 ELSE 2 * (1 - student(abs(difference) / iif(difference > 0, down, up), freedom)) END AS p,
           (t_below(:level, freedom) + t_below(:power, freedom)) * max(down, up) AS detectable,
           CASE WHEN forbidden <> '' THEN forbidden
                WHEN is_lopsided THEN 'one side has several runs, the other one: repeat it as often'
                WHEN runs > 1 THEN iif(variance = 0 AND difference <> 0, 'all runs of a side have the same figure: how far runs differ is not known', '')
                WHEN effective < :fewest THEN printf('its samples are worth %.0f independent ones, %d are needed: record longer', effective, :fewest)
                WHEN down + up IS NULL OR effective * (100 - percent) < 100 * :fewest_beyond THEN 'the recording is too short for this quantile''s interval'
                ELSE '' END AS reason
    FROM errors
), weighed AS (
    SELECT *, reason = '' AS is_judged, weight / count(*) OVER (PARTITION BY reason = '', part) AS share FROM differences
), ordered AS (
    SELECT *, sum(share) OVER (PARTITION BY is_judged) - coalesce(sum(share) OVER before_it, 0) AS share_left
    FROM weighed
    WINDOW before_it AS (PARTITION BY is_judged ORDER BY p / share, pair ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), family AS (
    SELECT *, iif(is_judged, max(min(1, p * max(share_left / share, 1))) OVER (PARTITION BY is_judged ORDER BY p / share, pair), NULL) AS stands FROM ordered
), said AS (
    SELECT *, CASE WHEN reason <> '' THEN 'not_judged'
                   WHEN stands >= :alpha OR (low <= :margin / 100 * abs(a_value) AND high >= -:margin / 100 * abs(a_value)) THEN 'no_difference'
                   WHEN runs < :several OR worse = 0 THEN 'differs'
                   WHEN (difference > 0) = (worse > 0) THEN 'worse'
                   ELSE 'better' END AS verdict
    FROM family
)
SELECT a_value, a_low, a_high, a_n, a_effective, b_value, b_low, b_high, b_n, b_effective, difference, low, high, p, detectable, verdict,
       CASE WHEN verdict = 'differs' AND runs < :several THEN 'these two recordings differ; whether the change did it, only repeated runs can tell'
            WHEN verdict = 'no_difference' AND stands >= :alpha AND low * high > 0 THEN 'alone it would differ; among so many figures chance makes some'
            ELSE reason END AS reason
FROM said ORDER BY pair
