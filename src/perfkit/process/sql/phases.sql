-- Phases: from each 'start' mark to the next 'end' of the same label, or to the end of the data. A label used again is numbered: "load (2)".
WITH numbered AS (
    SELECT source, label, timestamp AS since, row_number() OVER (PARTITION BY source, label ORDER BY timestamp) AS number
    FROM marks WHERE kind = 'start'
), closed AS (
    SELECT numbered.*, min(marks.timestamp) AS until
    FROM numbered LEFT JOIN marks ON marks.source = numbered.source AND marks.label = numbered.label
                                  AND marks.kind = 'end' AND marks.timestamp >= numbered.since
    GROUP BY ALL
)
SELECT source, CASE WHEN number > 1 THEN label || ' (' || number || ')' ELSE label END AS phase, since, coalesce(until, last_timestamp) AS until
FROM closed JOIN sources USING (source)
