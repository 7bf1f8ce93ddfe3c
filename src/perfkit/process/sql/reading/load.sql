-- One collection, as it is: a line is a row; a line that cannot be read is a row of NULLs.
-- `timestamp` turns into milliseconds since the epoch, the unit of every table from here on. A monotonic clock beyond 300 years is damage.
INSERT INTO raw
SELECT $machine, $file, NULL AS line, stamp(timestamp) * 1000 + coalesce(nanosecond, 0) % 1000000000 // 1000000,
       CASE WHEN monotonic BETWEEN 0 AND 1e10 THEN monotonic END, subsystem, measurement
FROM read_json($path, format = 'newline_delimited', ignore_errors = true, maximum_object_size = 16777216, compression = $compression,
               columns = {timestamp: 'BIGINT', nanosecond: 'BIGINT', monotonic: 'DOUBLE', subsystem: 'VARCHAR', measurement: 'VARCHAR'})
