-- Every metric of one table at once: $table, the names of its $metrics, and of the column that names its $device ('source' if none does).
-- A window that is another one's equal is computed once and written under both names.
INSERT INTO percentiles
WITH distinct_windows AS (
    SELECT source, from_timestamp, to_timestamp, list(range) AS ranges FROM windows GROUP BY ALL
), values_within AS (
    SELECT t.source, ranges, from_timestamp, to_timestamp, COLUMNS([$device])::VARCHAR AS device, COLUMNS($metrics)
    FROM query_table($table) AS t JOIN distinct_windows AS w ON w.source = t.source AND timestamp BETWEEN from_timestamp AND to_timestamp
), figures AS (
    SELECT source, ranges, from_timestamp, to_timestamp, if($device = 'source', '', device) AS device,
           {'n': count(COLUMNS($metrics)), 'least': min(COLUMNS($metrics))::DOUBLE, 'mean': avg(COLUMNS($metrics)),
            'most': max(COLUMNS($metrics))::DOUBLE, 'stddev': stddev_samp(COLUMNS($metrics)),
            'p': quantile_cont(COLUMNS($metrics)::DOUBLE, [0.5, 0.9, 0.95, 0.99])}
    FROM values_within
    GROUP BY ALL
)
SELECT source, unnest(ranges), $table || '.' || metric, device, from_timestamp, to_timestamp,
       f.n, f.least, f.mean, f.most, f.stddev, f.p[1], f.p[2], f.p[3], f.p[4]
FROM figures UNPIVOT (f FOR metric IN (COLUMNS($metrics)))
WHERE f.n > 0
