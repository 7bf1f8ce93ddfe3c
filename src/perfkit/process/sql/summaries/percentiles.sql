-- Every metric of one table at once, in each of the `distinct_windows`: $table, the names of its $metrics, and of the column that names its
-- $device ('machine' if none does).
INSERT INTO measured
WITH values_within AS (
    SELECT span, COLUMNS([$device])::VARCHAR AS device, COLUMNS($metrics)
    FROM query_table($table) AS t JOIN distinct_windows AS w ON w.machine = t.machine AND timestamp BETWEEN from_timestamp AND to_timestamp
), figures AS (
    SELECT span, if($device = 'machine', '', device) AS device,
           {'n': count(COLUMNS($metrics)), 'mean': avg(COLUMNS($metrics)), 'stddev': stddev_samp(COLUMNS($metrics)),
            'p': quantile_cont(COLUMNS($metrics)::DOUBLE, [0, 0.5, 0.9, 0.95, 0.99, 1])} -- min() and max() besides: a third more to plan
    FROM values_within
    GROUP BY span, device
)
SELECT span, $table || '.' || metric, device, f.n, f.mean, f.stddev, f.p
FROM figures UNPIVOT (f FOR metric IN (COLUMNS($metrics)))
WHERE f.n > 0
