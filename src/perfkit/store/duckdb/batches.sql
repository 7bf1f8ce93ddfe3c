-- The metrics of `series` by name, in lists of at most $most values together, or of one metric: a row per list.
WITH counted AS (
    SELECT metric, count(*) AS n FROM series GROUP BY metric
), placed AS (
    SELECT metric, (sum(n) OVER (ORDER BY metric) - 1) // $most AS batch FROM counted
)
SELECT list(metric ORDER BY metric) AS metrics FROM placed GROUP BY batch ORDER BY batch
