{verb} {table} (source INTEGER, timestamp BIGINT, {columns})
