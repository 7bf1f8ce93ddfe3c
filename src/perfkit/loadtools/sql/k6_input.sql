-- k6 run --out json=FILE: one line a measured point; the lines that declare metrics are passed over.
CREATE TEMP TABLE points AS
SELECT
    metric,
    epoch_ms(CAST(regexp_replace(data.time, '(\.\d{1,6})\d*', '\1') AS TIMESTAMPTZ)) // 1000 * 1000 AS timestamp,  -- ms; cut to its second
    data.value AS value                                                                                             -- times in ms
FROM read_json($file, format = 'newline_delimited', columns = {type: 'VARCHAR', metric: 'VARCHAR', data: 'STRUCT(time VARCHAR, value DOUBLE)'})
WHERE type = 'Point' AND metric IN ('vus', 'http_reqs', 'http_req_failed', 'http_req_duration');
