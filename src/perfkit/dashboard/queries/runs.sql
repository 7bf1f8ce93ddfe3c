-- Every run with its machine, the newest start first; :collector and :run choose one, :newest the last that began on each machine.
SELECT r.collector_id AS collector, c.machinename AS machine, c.sitename AS site, r.run, r.label, r.recording, r.from_timestamp, r.to_timestamp,
       r.open, r.marked
FROM runs AS r JOIN collectors AS c ON c.id = r.collector_id
WHERE (:collector IS NULL OR r.collector_id = :collector) AND (:run IS NULL OR r.run = :run)
  AND (NOT :newest OR NOT EXISTS (
    SELECT 1 FROM runs AS later
    WHERE later.collector_id = r.collector_id AND (later.from_timestamp, later.run) > (r.from_timestamp, r.run)))
ORDER BY r.from_timestamp DESC, c.machinename, r.run DESC
LIMIT 1000
