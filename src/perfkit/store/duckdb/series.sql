-- The samples of one table of one run in [$start, $end] ms, a row per sample, device and metric (<table>.<column>), into `series`. Of disks
-- and interfaces those that the host's totals count; of the CPUs all of them together.
INSERT INTO series
WITH chosen AS (
    SELECT timestamp, COLUMNS([$device])::VARCHAR AS device, COLUMNS($metrics)::DOUBLE FROM query_table($table)
    WHERE timestamp BETWEEN $start AND $end AND {counted}
)
SELECT $run, $table || '.' || metric, if($device = 'machine', '', device), timestamp, value
FROM (FROM chosen UNPIVOT (value FOR metric IN (COLUMNS($metrics))))
