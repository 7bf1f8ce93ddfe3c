-- The collectors that were recorded at some time between :first and :last (ms since the epoch), or are called :machine at :site.
SELECT DISTINCT collectors.machinename, collectors.sitename
FROM collectors
LEFT JOIN collections ON collections.collector_id = collectors.id
WHERE (:site IS NULL OR collectors.sitename = :site)
  AND CASE WHEN :machine IS NULL
           THEN collections.first_timestamp <= :last AND collections.last_timestamp >= :first
           ELSE collectors.machinename = :machine
      END
ORDER BY collectors.machinename, collectors.sitename;
