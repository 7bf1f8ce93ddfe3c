-- One collection, as it is: a line is a row; a line that cannot be read is a row of NULLs.
-- `timestamp` turns into milliseconds since the epoch, the unit of every table from here on;
-- outside of the years 1970 to 9999 it is damage.
INSERT INTO raw
SELECT $source, CASE WHEN timestamp BETWEEN 0 AND 253402300799 THEN timestamp * 1000 + coalesce(nanosecond, 0) % 1000000000 // 1000000 END, monotonic, subsystem, measurement
FROM read_json($file, format = 'newline_delimited', ignore_errors = true, maximum_object_size = 16777216, compression = $compression,
               columns = {timestamp: 'BIGINT', nanosecond: 'BIGINT', monotonic: 'DOUBLE', subsystem: 'VARCHAR', measurement: 'VARCHAR'})
