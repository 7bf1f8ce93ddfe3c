-- One row per recording: one collector's stretch from its session line to its end line, or to what came last.
--   identity        what tells it from every other recording of the machine: boot, process and start of its session; for other collectors
--                   its first sample
--   from_timestamp, to_timestamp  first and last instant (ms), marks and the end line included
--   period_ms       between two samples   duration  promised, seconds   samples  that are there
--   begun_timestamp when it began (ms), with tick 0; NULL where only a later part of it is here, or no tick is promised
--   due_tick        number of the last tick that was due before the end line or the last mark; NULL where no tick is promised
--   ended           'duration', 'signal', 'error: ...' as the end line says; 'still recording' where a live process holds the file;
--                   'cut off' without an end line; NULL where the collector writes none
WITH own AS (
    SELECT machine, file, place(line, rowid) AS place, timestamp, monotonic, subsystem, measurement
    FROM raw
    WHERE subsystem IN ('perfkit/end', 'perfkit/mark') AND json_valid(measurement)
), placed AS (
    SELECT own.*, sessions.recording FROM own ASOF JOIN sessions ON sessions.machine = own.machine AND sessions.file = own.file AND sessions.place <= own.place
), told AS (
    SELECT machine, recording, min_by(identity, place) AS identity, min_by(boot_id, place) AS boot_id, min(timestamp) AS first_told,
           max(place) AS newest_session, max_by(file, place) AS file, any_value(duration) AS duration, any_value(started) AS started,
           min_by(timestamp, place) FILTER (started IS NOT NULL AND coalesce(whole(facts ->> '$.part'), 0) = 0) AS begun_timestamp
    FROM sessions
    GROUP BY machine, recording
), endings AS (
    SELECT machine, recording, max_by(measurement, place) AS measurement, max(place) AS place
    FROM placed WHERE subsystem = 'perfkit/end' GROUP BY machine, recording
), last_words AS (
    SELECT machine, recording, max(timestamp) AS timestamp, max(monotonic) AS monotonic FROM placed GROUP BY machine, recording
), sampled AS (
    SELECT machine, recording, min(timestamp) AS first_timestamp, max(timestamp) AS last_timestamp, count(*) FILTER (counted) AS samples, any_value(period) AS period,
           max(lateness_ms) AS largest_lateness_ms, max(tick) AS last_tick
    FROM samples
    GROUP BY machine, recording
)
SELECT machine, recording, coalesce(identity, 'first sample ' || first_timestamp) AS identity, boot_id,
       least(coalesce(first_told, first_timestamp), first_timestamp) AS from_timestamp,
       greatest(last_timestamp, coalesce(last_words.timestamp, last_timestamp)) AS to_timestamp,
       last_timestamp, 1000 * period AS period_ms, duration, samples, last_tick,
       CASE WHEN started IS NOT NULL THEN floor((last_words.monotonic - started) / period - 0.1)::BIGINT END AS due_tick,
       begun_timestamp, largest_lateness_ms,
       CASE WHEN endings.place > newest_session AND endings.measurement ->> '$.reason' IN ('duration', 'signal') THEN endings.measurement ->> '$.reason'
            WHEN endings.place > newest_session AND endings.measurement ->> '$.reason' = 'error'
                THEN 'error: ' || coalesce(endings.measurement ->> '$.detail', 'unknown')
            WHEN inputs.recorder IS NOT NULL THEN 'still recording'
            WHEN identity IS NOT NULL THEN 'cut off' END AS ended,
       inputs.recorder
FROM sampled
LEFT JOIN told USING (machine, recording)
LEFT JOIN endings USING (machine, recording)
LEFT JOIN last_words USING (machine, recording)
LEFT JOIN inputs ON inputs.machine = sampled.machine AND inputs.file = told.file AND told.newest_session >= ALL (SELECT place FROM sessions AS s WHERE s.machine = told.machine AND s.file = told.file)
