-- Every sample of every machine (of the subsystems that are known):
--   timestamp    its instant (ms)            recording  the recording that it belongs to, from 1 within the machine
--   stretch      no rate spans two of them: another recording, another boot, a wall clock that was set where there is no other
--   clock        seconds of the monotonic clock where there is one, else of the wall clock
--   before       the instant of the sample before it in the same stretch, in the order of `clock`
--   first        whether it is the machine's first
--   tick         its number in the recording, counted in periods: what is between two neighbours' numbers is missing
--   counted      whether it is the first of its tick: a tick that was read more than once (a burst) counts as one sample
--   period       seconds between two samples: promised, else the median distance
--   lateness_ms  how late it was after its tick; NULL where no tick is promised, and for what is not counted
--
-- Ticks are those of collection/ticks.py, so that preflight and collect count the same.
--
-- perfkit's samples belong to the session that stands before them in the file, whatever the wall clock says: it may be behind after a reboot.
-- Others (pcc) tell no session and no monotonic clock. There a boot begins where "ctxt" of /proc/stat goes back and "btime" moves by more than
-- 10 s, which is a recording of its own; within a boot the samples' order is that of "ctxt", which only grows. Where the wall clock goes back,
-- or "btime" moves by more than 2 s, the clock was set.
WITH instants AS (
    SELECT machine, timestamp, min(file) AS file, min(place(line, rowid)) AS place, min(monotonic) AS monotonic
    FROM raw
    WHERE subsystem IN (SELECT unnest($subsystems)) OR starts_with(subsystem, 'container/') OR starts_with(subsystem, 'service/')
    GROUP BY machine, timestamp
), placed AS (
    SELECT i.machine, i.timestamp, i.place, i.monotonic, coalesce(s.recording, first.recording) AS recording, coalesce(last, 0) AS sessions
    FROM instants AS i
    ASOF LEFT JOIN sessions AS s ON s.machine = i.machine AND s.file = i.file AND s.place <= i.place
    LEFT JOIN (SELECT machine, file, min_by(recording, place) AS recording FROM sessions GROUP BY machine, file) AS first
           ON first.machine = i.machine AND first.file = i.file
    LEFT JOIN (SELECT machine, max(recording) AS last FROM sessions GROUP BY machine) AS known ON known.machine = i.machine
), clocked AS (
    -- A collection that lost its session line is one recording, without a promise.
    SELECT machine, timestamp, place, coalesce(recording, sessions + 1) AS recording, monotonic AS clock, period, started
    FROM placed
    LEFT JOIN (SELECT machine, recording, any_value(period) AS period, any_value(started) AS started FROM sessions GROUP BY ALL) USING (machine, recording)
    WHERE monotonic IS NOT NULL
), told AS (
    SELECT machine, timestamp, number_of(measurement, 'btime') AS btime, nullif(number_of(measurement, 'ctxt'), 0) AS switches
    FROM raw
    WHERE subsystem = '/proc/stat' AND machine IN (SELECT machine FROM placed WHERE monotonic IS NULL)
), others AS (
    SELECT machine, timestamp, place, sessions, btime,
           last_value(switches IGNORE NULLS) OVER (PARTITION BY machine ORDER BY place ROWS UNBOUNDED PRECEDING) AS switches
    FROM (FROM placed WHERE monotonic IS NULL) LEFT JOIN told USING (machine, timestamp)
), boots AS (
    SELECT *, sum(rebooted::INTEGER) OVER (PARTITION BY machine ORDER BY place ROWS UNBOUNDED PRECEDING) AS boot
    FROM (
        SELECT *, coalesce(switches < lag(switches) OVER w AND abs(btime - lag(btime IGNORE NULLS) OVER w) > 10, false) AS rebooted
        FROM others WINDOW w AS (PARTITION BY machine ORDER BY place)
    )
), ordered AS (
    SELECT *, timestamp - lag(timestamp) OVER w AS step, abs(btime - lag(btime IGNORE NULLS) OVER w) AS boot_moved, row_number() OVER w AS turn
    FROM boots WINDOW w AS (PARTITION BY machine, boot ORDER BY switches NULLS FIRST, timestamp, place)
), paced AS (
    SELECT *, median(step) OVER (PARTITION BY machine, boot) / 1000 AS period, coalesce(step < 500 * period OR boot_moved > 2, false) AS was_set
    FROM ordered
), unclocked AS (
    SELECT machine, timestamp, place, sessions + 2 + boot AS recording, period, sum(was_set::INTEGER) OVER w AS settings,
           coalesce(sum(if(was_set, 1000 * period, step)) OVER w, 0) / 1000 AS clock
    FROM paced WINDOW w AS (PARTITION BY machine, boot ORDER BY turn ROWS UNBOUNDED PRECEDING)
), sampled AS (
    SELECT machine, timestamp, place, recording, 0 AS settings, clock, period, started, false AS whole_seconds FROM clocked
    UNION ALL
    SELECT machine, timestamp, place, recording, settings, clock, period, NULL, true FROM unclocked
), stepped AS (
    SELECT *, clock - lag(clock) OVER w AS step, timestamp // 1000 - lag(timestamp // 1000) OVER w AS seconds
    FROM sampled WINDOW w AS (PARTITION BY machine, recording ORDER BY clock, place)
), known AS (
    SELECT * EXCLUDE (period), at_least(coalesce(period, median(step) OVER (PARTITION BY machine, recording)), 0.001) AS period FROM stepped
), numbered AS (
    -- Ticks from the promised start where one is told; else neighbours further apart than one and a half periods miss what fits between them,
    -- and those closer than half a period are one tick. Of whole seconds that hold several samples, only a second without one is missing.
    SELECT *, CASE WHEN started IS NOT NULL THEN floor((clock - started) / period + 0.01)
                   ELSE sum(CASE WHEN step IS NULL THEN 0
                                 WHEN whole_seconds AND period < 1 THEN 1 + at_least(round((seconds - 1) / period), 0)
                                 WHEN step < 0.5 * period THEN 0
                                 WHEN step > 1.5 * period THEN round(step / period)
                                 ELSE 1 END) OVER w END::BIGINT AS tick
    FROM known WINDOW w AS (PARTITION BY machine, recording ORDER BY clock, place ROWS UNBOUNDED PRECEDING)
), firsts AS (
    SELECT *, tick IS DISTINCT FROM lag(tick) OVER (PARTITION BY machine, recording ORDER BY clock, place) AS counted FROM numbered
)
SELECT machine, timestamp, recording, dense_rank() OVER (ORDER BY machine, recording, settings) AS stretch, clock, lag(timestamp) OVER w AS before,
       row_number() OVER (PARTITION BY machine ORDER BY recording, clock, place) = 1 AS first, coalesce(tick, 0) AS tick, period,
       CASE WHEN started IS NOT NULL AND counted THEN at_least(round(1000 * (clock - started - tick * period), 3), 0) END AS lateness_ms,
       counted
FROM firsts
WINDOW w AS (PARTITION BY machine, recording, settings ORDER BY clock, place)
