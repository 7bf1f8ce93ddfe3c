-- CPU busy (%) of a collector after :start up to :end (ms since the epoch), for the steady part that process/sql/summaries/steady.sql finds.
WITH series AS (
    SELECT :phase AS phase, timestamp, cpu_busy AS value FROM host_metrics
    WHERE collector_id = :collector_id AND timestamp > :start AND timestamp <= :end
)
SELECT phase, from_timestamp, to_timestamp, mean, kept_percent FROM ({definition})
