-- The figures of $metrics of the table host in each window of one machine.
SELECT range, split_part(metric, '.', 2) AS metric, avg, p95, max FROM percentiles
WHERE machine = $machine AND metric IN (SELECT 'host.' || unnest($metrics))
