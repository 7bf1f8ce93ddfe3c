INSERT INTO raw
SELECT source, stamp, monotonic, subsystem, measurement
FROM read_json($path, format = 'newline_delimited', maximum_object_size = 16777216,
               columns = {source: 'INTEGER', stamp: 'BIGINT', monotonic: 'DOUBLE', subsystem: 'VARCHAR', measurement: 'VARCHAR'})
