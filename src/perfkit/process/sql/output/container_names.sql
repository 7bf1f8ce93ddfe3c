-- Each container of a machine and the name that it had last.
SELECT container_id, max_by(container_name, timestamp) FROM containers WHERE machine = $machine GROUP BY container_id ORDER BY 2, 1
