-- What the load tools of a collector say of themselves where they touch [:start, :end] ms. SQLite runs it.
SELECT run, requests, summary ->> 'dropped' AS dropped, summary ->> 'starved' AS starved FROM load_runs
WHERE collector_id = :collector_id AND first_timestamp <= :end AND last_timestamp >= :start
