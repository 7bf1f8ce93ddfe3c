-- Per machine: first and last of the samples that came, and how many of them were not seen before a restart.
SELECT source, min(timestamp), max(timestamp), count(*) FILTER (timestamp > seen)
FROM samples JOIN live_after USING (source)
WHERE timestamp > after
GROUP BY source
