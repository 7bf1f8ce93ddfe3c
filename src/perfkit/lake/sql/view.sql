-- A table of the lake as the user's SQL sees it.
CREATE OR REPLACE VIEW {table} AS
SELECT site, machine, timestamp, {columns}, date, collection FROM (
{rows}
)
