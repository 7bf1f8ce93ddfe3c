SELECT median(step), max(timestamp) - min(timestamp), count(*)
FROM (SELECT timestamp, timestamp - lag(timestamp) OVER (ORDER BY timestamp) AS step FROM {table} WHERE source = ?)
