-- The number (from 1) of the first line of a collection that cannot be read; blank lines do not count.
SELECT min(line)
FROM (
    SELECT row_number() OVER () AS line, timestamp, subsystem, measurement
    FROM read_json($path, format = 'newline_delimited', ignore_errors = true, maximum_object_size = 16777216, compression = $compression,
                   columns = {timestamp: 'BIGINT', subsystem: 'VARCHAR', measurement: 'VARCHAR'})
)
WHERE stamp(timestamp) IS NULL OR subsystem IS NULL OR measurement IS NULL
