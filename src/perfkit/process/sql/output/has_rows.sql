-- The table's name if it has any of these rows, else no row. (One column, and all tables in one statement: a tenth of FROM table LIMIT 1 of each.)
(SELECT '{name}' FROM {table} WHERE {of} LIMIT 1)
