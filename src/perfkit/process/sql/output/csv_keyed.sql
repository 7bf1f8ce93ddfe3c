-- A table of one machine as CSV, a row per sample and device: as csv.sql, devices in the order of their number, else their name.
-- A name that a spreadsheet would run as a formula gets a quote in front. Names are looked at once, not in every row.
COPY (
    WITH named AS (
        SELECT DISTINCT COLUMNS($keys) FROM query_table($table) WHERE machine = $machine
    ), placed AS (
        SELECT *, row_number() OVER (ORDER BY try_cast(COLUMNS([$device]) AS INTEGER) NULLS FIRST, COLUMNS([$device])) AS place FROM named
    ), written AS (
        SELECT place, concat_ws(',', *COLUMNS($keys)) AS names FROM (SELECT place, quoted(neutral(COLUMNS($keys))) FROM placed)
    )
    SELECT concat(strftime(make_timestamp(timestamp * 1000), $instant), ',', names, ',', cells(json_array(*COLUMNS($values))::VARCHAR))
    FROM (
        FROM (FROM query_table($table) WHERE machine = $machine) NATURAL JOIN placed JOIN written USING (place)
        ORDER BY timestamp, place
    )
) TO $file (FORMAT csv, HEADER false, QUOTE '', PREFIX $header, SUFFIX $newline)
