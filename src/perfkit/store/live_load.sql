INSERT INTO raw
SELECT json[1]::INTEGER, json[2]::BIGINT, json[3]::DOUBLE, json[4]->>'$', json[5]->>'$'
FROM read_json($path, format = 'array', records = false, columns = {'json': 'JSON[]'}, maximum_object_size = 1073741824)
