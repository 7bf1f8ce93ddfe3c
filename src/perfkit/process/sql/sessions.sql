-- What each collector told about itself and its machine: one row per `perfkit/session` line, `facts` as JSON.
-- Other collectors' files have none.
SELECT source, timestamp, measurement::JSON AS facts, facts ->> '$.boot_id' AS boot_id
FROM raw
WHERE subsystem = 'perfkit/session' AND json_valid(measurement)
