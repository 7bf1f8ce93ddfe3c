-- What was marked while a recording ran: label and kind ('start', 'end' or 'point') at an instant (ms); `place` is the order in the file.
-- A mark belongs to the session before it in its file. Marks that stand in a file of their own, next to one of another collector, belong to
-- the recording that had begun last by then.
WITH told AS (
    SELECT machine, file, min(place) AS place, timestamp, measurement ->> '$.kind' AS kind, measurement ->> '$.label' AS label
    FROM (SELECT *, place(line, rowid) AS place FROM raw WHERE subsystem = 'perfkit/mark' AND is_mark(measurement))
    GROUP BY ALL
)
SELECT told.machine, coalesce(sessions.recording, recordings.recording, 1) AS recording, told.timestamp, min(told.place) AS place, kind, label
FROM told
ASOF LEFT JOIN sessions ON sessions.machine = told.machine AND sessions.file = told.file AND sessions.place <= told.place
ASOF LEFT JOIN recordings ON recordings.machine = told.machine AND recordings.from_timestamp <= told.timestamp
GROUP BY ALL
