-- One collection, as it is: a line is a row. A line that cannot be read becomes a row of NULLs, which are counted and not used.
-- `timestamp` turns into milliseconds since the epoch, the unit of every table from here on.
INSERT INTO raw
SELECT $source, timestamp * 1000 + coalesce(nanosecond, 0) // 1000000, monotonic, subsystem, measurement
FROM read_json($file, format = 'newline_delimited', ignore_errors = true, maximum_object_size = 16777216, compression = $compression,
               columns = {timestamp: 'BIGINT', nanosecond: 'BIGINT', monotonic: 'DOUBLE', subsystem: 'VARCHAR', measurement: 'VARCHAR'})
