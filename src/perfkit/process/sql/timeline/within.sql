-- The rows of a table that lie in the window that the user asked for.
SELECT t.* FROM query_table($table) AS t JOIN kept ON kept.machine = t.machine AND t.timestamp BETWEEN from_timestamp AND to_timestamp
