-- The gaps of one recording after the sample at :after, by the definition in process/sql/timeline/gaps.sql.
WITH samples AS (
    SELECT collector_id AS machine, recording, timestamp, tick, lateness_ms, 1 AS counted FROM main.samples
    WHERE collector_id = :collector_id AND recording = :recording AND timestamp >= :after
), recordings AS (
    SELECT collector_id AS machine, recording, period_ms, :begun AS begun_timestamp, to_timestamp, last_tick, due_tick FROM main.recordings
    WHERE collector_id = :collector_id AND recording = :recording
)
INSERT OR REPLACE INTO quality_events (collector_id, from_timestamp, to_timestamp, kind, missed, recording)
SELECT machine, from_timestamp, to_timestamp, 'gap', missed, recording FROM ({definition}) WHERE from_timestamp IS NOT NULL
