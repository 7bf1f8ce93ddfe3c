-- A table of one source as CSV, a row per sample: instants in ISO 8601 (UTC), numbers in full, an empty cell where there is no value.
COPY (
    SELECT make_timestamp(timestamp * 1000) AS timestamp, COLUMNS($values)
    FROM query_table($table)
    WHERE source = $source
    ORDER BY timestamp
) TO $file (FORMAT csv, HEADER, TIMESTAMPFORMAT $instant)
