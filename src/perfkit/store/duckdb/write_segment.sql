-- The samples of one machine in [$start, $until) as a file by column.
COPY (
    SELECT timestamp, COLUMNS($columns) FROM query_table($table) WHERE machine = $machine AND timestamp >= $start AND timestamp < $until
    ORDER BY timestamp
) TO $path (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)
