-- SQLite: the days of UTC (counted from 1970) of which the database has samples of a collector, up to the instant :until (ms). `state` changes when
-- something of the day did: samples, marks, events, and how far its recordings and runs reach.
SELECT day, samples, samples || ' ' || (
    SELECT count(*) FROM marks WHERE collector_id = :id AND timestamp BETWEEN day * 86400000 AND day * 86400000 + 86399999
) || ' ' || (
    SELECT count(*) FROM quality_events WHERE collector_id = :id AND from_timestamp BETWEEN day * 86400000 AND day * 86400000 + 86399999
) || ' ' || (
    SELECT count(*) || ' ' || coalesce(sum(to_timestamp), 0) FROM recordings
    WHERE collector_id = :id AND from_timestamp BETWEEN day * 86400000 AND day * 86400000 + 86399999
) || ' ' || (
    SELECT count(*) || ' ' || coalesce(sum(to_timestamp), 0) FROM runs
    WHERE collector_id = :id AND from_timestamp BETWEEN day * 86400000 AND day * 86400000 + 86399999
) AS state
FROM (
    SELECT timestamp / 86400000 AS day, count(*) AS samples FROM samples WHERE collector_id = :id AND timestamp < :until GROUP BY day
)
ORDER BY day
