-- Keep one of each subsystem's lines in a sample: always the same one, should they differ.
DELETE FROM raw
WHERE NOT starts_with(subsystem, 'perfkit/')
  AND rowid NOT IN (SELECT min_by(rowid, measurement) FROM raw GROUP BY source, timestamp, subsystem)
