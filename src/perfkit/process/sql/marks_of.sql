-- The marks of one source, in the order in which they were made.
SELECT timestamp, kind, label FROM marks WHERE source = $source ORDER BY timestamp
