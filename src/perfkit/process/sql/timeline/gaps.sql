-- Where samples are missing: ticks of a recording that no sample took, after its beginning, between two neighbours or before its end.
-- DuckDB and SQLite both run it.
--   from_timestamp, to_timestamp  the samples on both sides (ms); where the wall clock was set between them, to_timestamp is as much later as
--                                 the gap lasted
--   missed                        ticks between them
WITH taken AS (
    SELECT machine, recording, timestamp, tick, lateness_ms FROM samples WHERE counted
    UNION ALL
    -- Tick 0 was due when the recording began: as late as a tick before it by a whole period.
    SELECT machine, recording, begun_timestamp, -1, period_ms FROM recordings WHERE begun_timestamp IS NOT NULL
    UNION ALL
    SELECT machine, recording, to_timestamp, due_tick + 1, NULL FROM recordings WHERE due_tick > last_tick
), steps AS (
    SELECT machine, recording, timestamp AS to_timestamp, lag(timestamp) OVER in_order AS from_timestamp, tick - lag(tick) OVER in_order AS ticks,
           lateness_ms - lag(lateness_ms) OVER in_order AS later_ms
    FROM taken
    WINDOW in_order AS (PARTITION BY machine, recording ORDER BY tick, timestamp)
), lasting AS (
    SELECT s.*, s.ticks * r.period_ms + s.later_ms AS lasted_ms
    FROM steps AS s JOIN recordings AS r ON r.machine = s.machine AND r.recording = s.recording
    WHERE s.ticks > 1
)
SELECT machine, recording, from_timestamp,
       CASE WHEN abs(to_timestamp - from_timestamp - lasted_ms) > 250 + 0.001 * lasted_ms THEN from_timestamp + CAST(round(lasted_ms) AS BIGINT)
            ELSE to_timestamp END AS to_timestamp,
       ticks - 1 AS missed
FROM lasting
