SELECT count(*) FROM {table} WHERE source = ?
