-- The recording of a folder or a file that does not tell of any: its samples, as process/sql/timeline/samples.sql has them for collectors
-- that promise no tick. `instants` has the timestamps (ms); neighbours further apart than one and a half periods miss what fits between them.
CREATE OR REPLACE TABLE samples AS
WITH stepped AS (
    SELECT timestamp, timestamp - lag(timestamp) OVER (ORDER BY timestamp) AS step FROM (SELECT DISTINCT timestamp FROM instants)
), paced AS (
    SELECT *, median(step) OVER () AS period_ms FROM stepped
)
SELECT 1 AS machine, timestamp, 1 AS recording, period_ms, NULL::DOUBLE AS lateness_ms,
       coalesce(sum(CASE WHEN step > 1.5 * period_ms THEN round(step / period_ms) ELSE 1 END) OVER (ORDER BY timestamp) - 1, 0)::BIGINT AS tick
FROM paced
