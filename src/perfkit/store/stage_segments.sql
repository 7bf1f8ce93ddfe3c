INSERT INTO {table}
SELECT $source, timestamp, {columns}
FROM read_parquet($files)
WHERE timestamp >= $start AND timestamp < $end
