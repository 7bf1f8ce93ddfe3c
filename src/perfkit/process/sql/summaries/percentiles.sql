-- Every metric of one table at once: $table, the names of its $metrics, and of the column that names its $device ('machine' if none does).
-- Windows that are the same span of time are computed once and written under each of their names.
INSERT INTO percentiles
WITH named AS (
    SELECT *, dense_rank() OVER (ORDER BY machine, from_timestamp, to_timestamp) AS span FROM windows
), spans AS (
    SELECT DISTINCT span, machine, from_timestamp, to_timestamp FROM named
), values_within AS (
    SELECT span, COLUMNS([$device])::VARCHAR AS device, COLUMNS($metrics)
    FROM query_table($table) AS t JOIN spans AS s ON s.machine = t.machine AND timestamp BETWEEN from_timestamp AND to_timestamp
), figures AS (
    SELECT span, device,
           {'n': count(COLUMNS($metrics)), 'mean': avg(COLUMNS($metrics)), 'stddev': stddev_samp(COLUMNS($metrics)),
            'p': quantile_cont(COLUMNS($metrics)::DOUBLE, [0, 0.5, 0.9, 0.95, 0.99, 1])} -- min() and max() besides: a third more to plan
    FROM values_within
    GROUP BY span, device
)
SELECT machine, range, $table || '.' || metric, if($device = 'machine', '', device), from_timestamp, to_timestamp,
       f.n, f.p[1], f.mean, f.p[6], f.stddev, f.p[2], f.p[3], f.p[4], f.p[5]
FROM (FROM figures UNPIVOT (f FOR metric IN (COLUMNS($metrics)))) JOIN named USING (span)
WHERE f.n > 0
