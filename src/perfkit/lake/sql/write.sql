-- The rows of one machine and day of a table as a file of the lake, by time. Row groups of 20,480 rows: a filter on time skips the others.
COPY (
    SELECT make_timestamp(timestamp * 1000) AT TIME ZONE 'UTC' AS timestamp, {columns}, $collection AS collection
    FROM {table}
    WHERE machine = $machine AND timestamp >= $start AND timestamp < $until
    ORDER BY {order}
) TO $file (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)
