COPY (SELECT {columns} FROM {table} WHERE source = {source}) TO '{path}' (FORMAT csv, HEADER false)
