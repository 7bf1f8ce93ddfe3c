-- Rows of one derived table with their machine; samples and marks in their order.
SELECT machine, COLUMNS($columns) FROM query_table($table) ORDER BY ALL
