-- The samples of one machine in one table, in the order in which the database keeps them.
SELECT $collector_id, COLUMNS($columns) FROM query_table($table) WHERE machine = $machine ORDER BY COLUMNS($keys)
