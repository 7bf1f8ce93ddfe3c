-- Phases of a run, named by its marks: from a 'start' to the next 'end' of the same label, and from a 'point' to the next mark of any kind;
-- to the end of the data where there is none. A label used again is numbered: "load", "load (2)".
WITH followed AS (
    SELECT source, kind, label, timestamp AS since, lead(timestamp) OVER (PARTITION BY source ORDER BY timestamp) AS next FROM marks
), opened AS (
    SELECT *, row_number() OVER (PARTITION BY source, label ORDER BY since) AS number FROM followed WHERE kind <> 'end'
), closed AS (
    SELECT opened.source, opened.label, number, since, if(any_value(opened.kind) = 'point', any_value(next), min(marks.timestamp)) AS until
    FROM opened
    LEFT JOIN marks ON marks.source = opened.source AND marks.label = opened.label AND marks.kind = 'end' AND marks.timestamp >= since
    GROUP BY opened.source, opened.label, number, since
), ends AS (
    SELECT source, max(timestamp) AS last_timestamp FROM samples GROUP BY source
)
SELECT source, CASE WHEN number > 1 THEN label || ' (' || number || ')' ELSE label END AS phase, since, coalesce(until, last_timestamp) AS until
FROM closed JOIN ends USING (source)
WHERE since <= coalesce(until, last_timestamp)
