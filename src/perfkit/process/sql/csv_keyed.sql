-- A table of one source as CSV, a row per sample and device: as csv.sql, devices in the order of their number, else their name.
-- A name that a spreadsheet would run as a formula gets a quote in front.
COPY (
    SELECT make_timestamp(timestamp * 1000) AS timestamp, neutral(COLUMNS($keys)), COLUMNS($values)
    FROM query_table($table)
    WHERE source = $source
    ORDER BY timestamp, try_cast(COLUMNS([$device]) AS INTEGER) NULLS FIRST, COLUMNS([$device])
) TO $file (FORMAT csv, HEADER, TIMESTAMPFORMAT $instant)
