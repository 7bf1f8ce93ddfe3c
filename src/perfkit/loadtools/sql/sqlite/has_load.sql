-- Whether a load tool was at work against a collector's machine between two instants (ms, both included).
SELECT 1 FROM load_runs WHERE collector_id = :collector_id AND first_timestamp <= :end AND last_timestamp >= :start LIMIT 1
