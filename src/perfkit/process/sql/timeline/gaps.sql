-- Where samples are missing: ticks of a recording that no sample took, between two neighbours or before its end. DuckDB and SQLite both run it.
--   from_timestamp, to_timestamp  the samples on both sides (ms)   missed  ticks between them
WITH taken AS (
    SELECT machine, recording, timestamp, tick FROM samples
    UNION ALL
    SELECT machine, recording, to_timestamp, due_tick + 1 FROM recordings WHERE due_tick > last_tick
), steps AS (
    SELECT machine, recording, timestamp AS to_timestamp, lag(timestamp) OVER in_order AS from_timestamp, tick - lag(tick) OVER in_order - 1 AS missed
    FROM taken
    WINDOW in_order AS (PARTITION BY machine, recording ORDER BY tick, timestamp)
)
SELECT machine, recording, from_timestamp, to_timestamp, missed FROM steps WHERE missed > 0
