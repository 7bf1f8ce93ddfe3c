SELECT id FROM collectors
WHERE last_timestamp IS NOT NULL
  AND (NOT :live_only OR EXISTS (SELECT 1 FROM collections WHERE collector_id = collectors.id AND kind = 'live'))
