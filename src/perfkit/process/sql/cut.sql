-- The window that the user asked for, per source; a source without the phase keeps nothing.
CREATE OR REPLACE TABLE kept AS
SELECT samples.source, greatest(min(timestamp), coalesce($since, 0), coalesce(any_value(phases.since), 0))::BIGINT AS since,
       least(max(timestamp), coalesce($until, max(timestamp)), coalesce(any_value(phases.until), max(timestamp)))::BIGINT AS until
FROM samples LEFT JOIN phases ON phases.source = samples.source AND phase = $phase
WHERE $phase IS NULL OR phase IS NOT NULL
GROUP BY samples.source
