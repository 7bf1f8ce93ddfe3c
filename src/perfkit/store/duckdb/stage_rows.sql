-- Rows of a table that travel as a JSON array of arrays.
INSERT INTO {table}
SELECT {values}
FROM read_json($path, format = 'array', records = false, columns = {{'json': '{type}'}}, maximum_object_size = 1073741824)
