-- The rows of a table that lie in the window that the user asked for.
SELECT t.* FROM query_table($table) AS t JOIN kept ON kept.source = t.source AND t.timestamp BETWEEN since AND until
