-- Keep the first of each subsystem's lines in a sample.
DELETE FROM raw
WHERE NOT starts_with(subsystem, 'perfkit/')
  AND rowid NOT IN (SELECT min(rowid) FROM raw GROUP BY source, timestamp, subsystem)
