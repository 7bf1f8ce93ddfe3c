-- The named windows of one collector, by the definition in process/sql/timeline/windows.sql: ranges, runs and phases.
WITH ranges(name, milliseconds) AS (SELECT key, value FROM json_each(:ranges)), spans AS (
    SELECT id AS machine, first_timestamp, last_timestamp FROM collectors WHERE id = :collector_id AND last_timestamp IS NOT NULL
), runs AS (
    SELECT collector_id AS machine, run, NULL AS phase, from_timestamp, to_timestamp FROM main.runs WHERE collector_id = :collector_id
    UNION ALL
    SELECT collector_id, run, phase, from_timestamp, to_timestamp FROM phases WHERE collector_id = :collector_id
)
SELECT range, from_timestamp, to_timestamp FROM ({definition})
