-- For each device how many of the values in the window are beyond the limit, since when, and the worst of them.
SELECT device, count(*) AS samples, sum(beyond) AS beyond, min(CASE WHEN beyond THEN timestamp END) AS first, {worst}(value) AS worst
FROM (
    SELECT {device} AS device, timestamp, {column} AS value, {column} {sign} :limit AS beyond
    FROM {table}
    WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end AND {column} IS NOT NULL
)
GROUP BY device
HAVING sum(beyond) > 0
