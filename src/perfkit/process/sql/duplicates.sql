-- Lines that stand more than once: the same subsystem in the same sample, as a retried upload or overlapping files leave them.
SELECT source, count(*) - count(DISTINCT hash(timestamp, subsystem)) AS lines
FROM raw
WHERE NOT starts_with(subsystem, 'perfkit/')
GROUP BY source
