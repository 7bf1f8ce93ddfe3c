-- What comparable figures of a run or phase in [:start, :end] ms were made of, as one row: when one of these changes, they are made again.
SELECT (SELECT count(*) FROM samples WHERE collector_id = :collector_id AND timestamp BETWEEN :start AND :end),
       (SELECT count(*) FROM quality_events WHERE collector_id = :collector_id AND from_timestamp <= :end AND to_timestamp >= :start),
       (SELECT ended FROM recordings WHERE collector_id = :collector_id AND recording = :recording),
       (SELECT cpus FROM collectors WHERE id = :collector_id), (SELECT period_ms FROM collectors WHERE id = :collector_id),
       (SELECT group_concat(digest) FROM (
            SELECT digest FROM load_runs WHERE collector_id = :collector_id AND first_timestamp <= :end AND last_timestamp >= :start ORDER BY digest))
