COPY (
    SELECT timestamp{columns} FROM {table} WHERE source = {source} AND timestamp >= $start AND timestamp < $until ORDER BY timestamp
) TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)
