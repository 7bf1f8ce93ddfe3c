-- Tells samples that share a stamp from lines that were sent twice. `instants` has a row per line of the instants in `repeated`:
--   row        its rowid in raw      copy  whether the same read stands before it, so that it is dropped
--   timestamp  the instant of its sample: the k-th sample of one stamp is k ms later, so that every sample has an instant of its own
-- With a monotonic clock, lines of one subsystem are the same read if that clock agrees, and one sample's reads lie closer together than
-- half a period. A wall clock that was set back, or repeats a leap second, gives stamps a second time.
-- Without it (pcc's stamps are whole seconds) reads are the same if their /proc/stat is, or all of their text where there is none. Samples
-- that follow each other with one stamp come faster than once a second, and are spread evenly over it.
CREATE OR REPLACE TABLE instants AS
WITH lines AS (
    SELECT machine, file, rowid AS row, place(line, rowid) AS place, timestamp, monotonic, subsystem, hash(measurement) AS text,
           row_number() OVER (PARTITION BY machine, file, timestamp, subsystem ORDER BY place(line, rowid)) AS occurrence
    FROM raw SEMI JOIN repeated USING (machine, timestamp)
    WHERE NOT starts_with(subsystem, 'perfkit/')
), clocked AS (
    SELECT *, coalesce(monotonic - lag(monotonic) OVER (PARTITION BY machine, timestamp ORDER BY monotonic) > 0.5 * period, false) AS another
    FROM (FROM lines WHERE monotonic IS NOT NULL)
    JOIN (SELECT machine, coalesce(min(period), 1) AS period FROM (SELECT DISTINCT machine FROM lines) LEFT JOIN sessions USING (machine) GROUP BY machine)
         USING (machine)
), clocked_samples AS (
    SELECT *, sum(another::INTEGER) OVER (PARTITION BY machine, timestamp ORDER BY monotonic) AS number FROM clocked
), reads AS (
    -- Without a monotonic clock: one row per occurrence, known by the text of its /proc/stat.
    SELECT machine, file, timestamp, occurrence, min(place) AS place,
           coalesce(any_value(text) FILTER (subsystem = '/proc/stat'), bit_xor(hash(subsystem, text))) AS text
    FROM lines
    WHERE monotonic IS NULL
    GROUP BY machine, file, timestamp, occurrence
), told_apart AS (
    SELECT *, row_number() OVER (PARTITION BY machine, timestamp, text ORDER BY place) > 1 AS copy FROM reads
), unclocked_samples AS (
    SELECT *, row_number() OVER (PARTITION BY machine, timestamp ORDER BY place) - 1 AS number,
           lead(timestamp) OVER w = timestamp OR lag(timestamp) OVER w = timestamp AS together
    FROM told_apart
    WHERE NOT copy
    WINDOW w AS (PARTITION BY machine, file ORDER BY place)
), spread AS (
    -- One second that comes twice is a clock that was set back by it; a faster collector fills most seconds.
    SELECT * REPLACE (together AND 2 * seconds > all_seconds AS together), count(*) OVER (PARTITION BY machine, timestamp) AS samples
    FROM (SELECT *, count(DISTINCT timestamp) FILTER (together) OVER (PARTITION BY machine) AS seconds FROM unclocked_samples)
    JOIN (SELECT machine, count(DISTINCT timestamp) AS all_seconds FROM raw GROUP BY machine) USING (machine)
)
SELECT row, machine, timestamp + number AS timestamp, 0 AS sharing,
       row_number() OVER (PARTITION BY machine, timestamp, number, subsystem ORDER BY place) > 1 AS copy
FROM clocked_samples
UNION ALL
SELECT row, machine, timestamp + coalesce(if(spread.together, 1000 * number // samples, number), 0), if(together, samples, 0),
       spread.place IS NULL
FROM lines LEFT JOIN spread USING (machine, file, timestamp, occurrence)
WHERE monotonic IS NULL;

CREATE OR REPLACE TABLE shared_stamps AS SELECT machine, max(sharing) AS most FROM instants GROUP BY machine HAVING most > 0;

CREATE OR REPLACE TABLE duplicates AS SELECT machine, count(*) AS lines FROM instants WHERE copy GROUP BY machine;

UPDATE raw SET timestamp = instants.timestamp FROM instants WHERE raw.rowid = instants.row AND raw.timestamp <> instants.timestamp AND NOT copy;

DELETE FROM raw WHERE rowid IN (SELECT row FROM instants WHERE copy)
