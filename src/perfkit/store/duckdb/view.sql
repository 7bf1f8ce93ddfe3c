-- The samples of one machine in [start, until): from the files by column, and from {loose}, what no file has.
CREATE OR REPLACE VIEW {table} AS
SELECT {machine} AS machine, timestamp, {columns} FROM {files} WHERE timestamp >= {start} AND timestamp < {until}
UNION ALL
FROM {loose}
