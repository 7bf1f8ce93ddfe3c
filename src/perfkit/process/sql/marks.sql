-- What was marked while the collection ran: label and kind ('start', 'end' or 'point') at an instant (ms).
SELECT DISTINCT source, timestamp, measurement ->> '$.kind' AS kind, measurement ->> '$.label' AS label
FROM (FROM raw WHERE subsystem = 'perfkit/mark' AND json_valid(measurement))
WHERE kind IN ('start', 'end', 'point') AND label <> ''
ORDER BY source, timestamp
