-- One row if the table has any of this machine, else none.
SELECT 1 FROM query_table($table) WHERE machine = $machine LIMIT 1
