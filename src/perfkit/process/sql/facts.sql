-- The head of quality.json for one source: the machine, how much of the time was recorded, and what was not.
--   largest_lateness_ms  the collector's own figure, else the longest distance between two samples beyond the period, gaps aside
--   end_line             whether every run of perfkit's collector said goodbye; null for other collectors
WITH own AS (
    SELECT source, max(try_cast(measurement ->> '$.max_lateness_ms' AS DOUBLE)) AS lateness_ms
    FROM raw WHERE subsystem = 'perfkit/self' AND json_valid(measurement) GROUP BY source
), apart AS (
    SELECT source, max(step) AS furthest
    FROM (SELECT source, timestamp - lag(timestamp) OVER (PARTITION BY source ORDER BY timestamp) AS step FROM samples)
    JOIN sources USING (source)
    WHERE step <= 1.5 * period_ms GROUP BY source
), ends AS (
    SELECT source, count(*) FILTER (subsystem = 'perfkit/session' AND coalesce(measurement ->> '$.part', '0') = '0') AS begun,
           count(*) FILTER (subsystem = 'perfkit/end') AS ended
    FROM raw WHERE subsystem IN ('perfkit/session', 'perfkit/end') AND json_valid(measurement) GROUP BY source
), damage AS (
    SELECT source, sum(lines)::BIGINT AS lines, sum(unreadable)::BIGINT AS unreadable, bool_or(truncated) AS truncated FROM inputs GROUP BY source
)
SELECT sources.* EXCLUDE (source, system_info, milliseconds),
       coalesce(lateness_ms, greatest(furthest - period_ms, 0)) AS largest_lateness_ms,
       ended >= begun AS end_line, coalesce(lines, 0) AS lines, coalesce(unreadable, 0) AS unreadable_lines,
       coalesce(truncated, false) AS truncated
FROM sources LEFT JOIN own USING (source) LEFT JOIN apart USING (source) LEFT JOIN ends USING (source) LEFT JOIN damage USING (source)
WHERE source = $source
