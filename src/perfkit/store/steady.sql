-- CPU busy (%; neither idle nor waiting for I/O) of a collector between two instants (ms since the epoch).
WITH series AS (
    SELECT 'all' AS phase, timestamp, 100 - cpu_idle - cpu_iowait AS value
    FROM host_metrics
    WHERE collector_id = $collector AND timestamp > $since AND timestamp <= $until
)
