-- The runs of a collector by number, behind each its phases by time.
SELECT * FROM (
    SELECT run, label, NULL AS phase, recording, from_timestamp, to_timestamp, open, marked FROM runs WHERE collector_id = :collector_id
    UNION ALL
    SELECT run, label, phase, recording, from_timestamp, to_timestamp, open, 1 FROM phases WHERE collector_id = :collector_id
)
ORDER BY run, phase IS NOT NULL, from_timestamp, to_timestamp DESC
