-- The rows of a partition as one file, by time; columns that this perfkit does not know stay.
COPY (
    SELECT * EXCLUDE (site, machine, date, filename) FROM ({rows}) ORDER BY timestamp
) TO $file (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)
