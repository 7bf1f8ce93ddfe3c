-- The new samples of one table, as the database has them.
SELECT machine, COLUMNS($columns) FROM (FROM query_table($table) JOIN live_after USING (machine) WHERE timestamp > taken)
