-- The runs of each machine and the phases in them, from its marks. DuckDB and SQLite both run it.
--
-- A pair is a 'start' and the 'end' of its label that closes it, as brackets do; a start that nothing closes reaches to the end of its
-- recording and is open. An end without a start, and a 'point', make no pair.
-- A run is a pair that lies in no other pair of its recording; a recording without pairs is one run, labelled 'recording'.
-- A phase is a pair within a run. Where a label comes again in the run, the second is called label.2.
--   run    counts from 1 within the machine, by start        phase  NULL for the run itself, else the phase's name
--   from_timestamp, to_timestamp  both included (ms)         open   1 where nothing closed it      marked  0 for a recording without pairs
WITH levels AS (
    -- Marks of one label at one level follow each other as start, end, start, end.
    SELECT machine, recording, timestamp, place, kind, label,
           sum(CASE kind WHEN 'start' THEN 1 ELSE -1 END) OVER in_order + CASE kind WHEN 'start' THEN 0 ELSE 1 END AS level
    FROM marks
    WHERE kind IN ('start', 'end')
    WINDOW in_order AS (PARTITION BY machine, recording, label ORDER BY timestamp, place ROWS UNBOUNDED PRECEDING)
), followed AS (
    SELECT machine, recording, timestamp, place, kind, label, lead(kind) OVER same AS next_kind, lead(timestamp) OVER same AS next_timestamp
    FROM levels
    WINDOW same AS (PARTITION BY machine, recording, label, level ORDER BY timestamp, place)
), pairs AS (
    SELECT f.machine, f.recording, f.label, f.place, f.timestamp AS from_timestamp,
           CASE WHEN f.next_kind = 'end' THEN f.next_timestamp ELSE r.to_timestamp END AS to_timestamp,
           CASE WHEN f.next_kind = 'end' THEN 0 ELSE 1 END AS open
    FROM followed AS f JOIN recordings AS r ON r.machine = f.machine AND r.recording = f.recording
    WHERE f.kind = 'start'
), ordered AS (
    SELECT *, row_number() OVER (PARTITION BY machine, recording ORDER BY from_timestamp, to_timestamp DESC, place) AS pair FROM pairs
), nested AS (
    SELECT p.*, (
        SELECT min(o.pair) FROM ordered AS o
        WHERE o.machine = p.machine AND o.recording = p.recording AND o.pair < p.pair AND o.to_timestamp >= p.to_timestamp
    ) AS inside
    FROM ordered AS p
), outermost AS (
    SELECT machine, recording, pair, label, from_timestamp, to_timestamp, open, 1 AS marked FROM nested WHERE inside IS NULL
    UNION ALL
    SELECT machine, recording, 0, 'recording', from_timestamp, to_timestamp, 0, 0 FROM recordings AS r
    WHERE NOT EXISTS (SELECT 1 FROM pairs AS p WHERE p.machine = r.machine AND p.recording = r.recording)
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY machine ORDER BY from_timestamp, recording, pair) AS run FROM outermost
), repeated AS (
    SELECT i.machine, i.recording, n.run, i.label, i.from_timestamp, i.to_timestamp, i.open,
           row_number() OVER (PARTITION BY i.machine, n.run, i.label ORDER BY i.pair) AS time
    FROM nested AS i JOIN numbered AS n ON n.machine = i.machine AND n.recording = i.recording AND n.pair = i.inside
)
SELECT machine, recording, run, label, NULL AS phase, from_timestamp, to_timestamp, open, marked FROM numbered
UNION ALL
SELECT machine, recording, run, label, CASE WHEN time = 1 THEN label ELSE label || '.' || time END, from_timestamp, to_timestamp, open, 1 FROM repeated
