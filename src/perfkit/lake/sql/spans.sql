-- The days of UTC on which a table has rows of one machine: its date, the first and the last instant (ms).
SELECT strftime(make_timestamp(timestamp * 1000), '%Y-%m-%d') AS date, min(timestamp), max(timestamp)
FROM query_table($table) WHERE machine = $machine
GROUP BY date ORDER BY 2
