-- A table of one source as CSV, a row per sample and device: as csv.sql, devices in the order of their number, else their name.
-- A name that a spreadsheet would run as a formula gets a quote in front.
COPY (
    SELECT strftime(make_timestamp(timestamp * 1000), $instant), concat_ws(',', *COLUMNS($keys), figures)
    FROM (
        SELECT timestamp, quoted(neutral(COLUMNS($keys))), cells(json_array(*COLUMNS($values))::VARCHAR) AS figures
        FROM (
            FROM query_table($table) WHERE source = $source
            ORDER BY timestamp, try_cast(COLUMNS([$device]) AS INTEGER) NULLS FIRST, COLUMNS([$device])
        )
    )
) TO $file (FORMAT csv, HEADER false, QUOTE '', PREFIX $header, SUFFIX $newline)
