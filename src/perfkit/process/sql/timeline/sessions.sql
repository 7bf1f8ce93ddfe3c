-- What each collector told about itself and its machine: one row per `perfkit/session` line, `facts` as JSON. Other collectors have none.
--   place      where the line stands (rowid of raw); the lines behind it, up to the next session of the file, are its recording's
--   recording  counts from 1 within the machine. A recording is known by boot, process and start: a session that is told again (a rotated
--              part, changed devices, a second copy of the file) is the same recording
--   period     promised seconds between two samples   started  of the monotonic clock, seconds   duration  promised, seconds
WITH told AS (
    SELECT machine, file, place(line, rowid) AS place, timestamp, monotonic, measurement::JSON AS facts
    FROM raw
    WHERE subsystem = 'perfkit/session' AND json_valid(measurement)
), read AS (
    SELECT *, facts ->> '$.boot_id' AS boot_id, try_cast(facts ->> '$.started' AS DOUBLE) AS told_start,
           try_cast(facts ->> '$.frequency' AS DOUBLE) AS told_period, try_cast(facts ->> '$.duration' AS DOUBLE) AS told_duration,
           concat_ws(' ', boot_id, facts ->> '$.pid', facts ->> '$.started') AS identity
    FROM told
    WHERE json_type(facts) = 'OBJECT'
), known AS (
    SELECT *, min(place) OVER (PARTITION BY machine, identity) AS first_place FROM read
)
SELECT machine, file, place, timestamp, monotonic, facts, boot_id, identity, dense_rank() OVER (PARTITION BY machine ORDER BY first_place) AS recording,
       CASE WHEN told_start >= 0 AND told_start <= coalesce(monotonic + 60, 1e10) THEN told_start END AS started,  -- told after it, or a moment before
       CASE WHEN told_period >= 0.001 AND told_period <= 1e7 THEN told_period END AS period,
       CASE WHEN told_duration > 0 AND told_duration < 1e10 THEN told_duration END AS duration
FROM known
