-- One row if the table has any of this source, else none.
SELECT 1 FROM query_table($table) WHERE source = $source LIMIT 1
