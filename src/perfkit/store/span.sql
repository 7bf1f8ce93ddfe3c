SELECT min(timestamp), max(timestamp) FROM {table} WHERE source = ?
