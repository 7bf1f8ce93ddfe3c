SELECT $collector_id, {keys}timestamp, {values}
FROM {table}
WHERE source = $source
ORDER BY {keys}timestamp
