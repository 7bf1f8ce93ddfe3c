-- The lines of many machines, each as one collection: those that the next sample is computed from, then the new ones.
INSERT INTO raw
SELECT machine, machine AS file, NULL AS line, stamp, CASE WHEN monotonic BETWEEN 0 AND 1e10 THEN monotonic END, subsystem, measurement
FROM read_json($path, format = 'newline_delimited', maximum_object_size = 16777216,
               columns = {machine: 'INTEGER', stamp: 'BIGINT', monotonic: 'DOUBLE', subsystem: 'VARCHAR', measurement: 'VARCHAR'})
