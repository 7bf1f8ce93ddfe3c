-- The samples behind the chart.
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', timestamp / 1000.0, 'unixepoch') AS time, {columns}
FROM {table}
WHERE collector_id = :collector AND timestamp BETWEEN :from AND :to{device}
ORDER BY timestamp
