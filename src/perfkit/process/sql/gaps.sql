-- Where samples are missing: two neighbours further apart than one and a half periods. Rates span a gap with their true average.
--   since, until  the samples on both sides (ms)   missed  samples that should have been between them
WITH promised AS (
    SELECT source, timestamp, 1000 * try_cast(facts ->> '$.frequency' AS DOUBLE) AS period FROM sessions
), steps AS (
    SELECT source, timestamp AS until, lag(timestamp) OVER (PARTITION BY source ORDER BY timestamp) AS since, until - since AS step FROM samples
), paced AS (
    SELECT steps.*, coalesce(promised.period, median(step) OVER (PARTITION BY steps.source)) AS period
    FROM steps ASOF LEFT JOIN promised ON promised.source = steps.source AND promised.timestamp <= steps.since
)
SELECT source, since, until, round(step / period)::BIGINT - 1 AS missed FROM paced WHERE period > 0 AND step > 1.5 * period
