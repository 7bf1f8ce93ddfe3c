-- The runs and phases of one collector, by the definition in process/sql/timeline/runs.sql, which reads marks and recordings.
WITH marks AS (
    SELECT collector_id AS machine, recording, timestamp, place, kind, label FROM main.marks WHERE collector_id = :collector_id
), recordings AS (
    SELECT collector_id AS machine, recording, from_timestamp, to_timestamp FROM main.recordings WHERE collector_id = :collector_id
)
SELECT recording, run, label, phase, from_timestamp, to_timestamp, open, marked
FROM ({definition})
ORDER BY run, phase IS NOT NULL, from_timestamp, to_timestamp DESC
