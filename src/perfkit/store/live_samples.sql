SELECT source, {keys}timestamp, {values}
FROM {table} JOIN live_after USING (source)
WHERE timestamp > after
ORDER BY source, {keys}timestamp
