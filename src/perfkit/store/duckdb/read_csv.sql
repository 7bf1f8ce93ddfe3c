CREATE OR REPLACE TABLE {name} AS
SELECT
    1 AS machine,
    CASE WHEN regexp_full_match(trim("timestamp"), '[0-9]{{9,11}}([.][0-9]+)?') THEN round(trim("timestamp")::DECIMAL(16, 4) * 1000)::BIGINT
         ELSE epoch_ms(TRY_CAST("timestamp" AS TIMESTAMPTZ)) END AS timestamp,
    {columns}
FROM read_csv($path, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = ['', '-', 'null', 'NULL', 'None', 'N/A', 'n/a'], columns = {{{types}}})
