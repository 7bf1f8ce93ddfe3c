-- Instants at which a subsystem has more than one line: sent twice, or two samples that share a stamp. Mostly there are none.
SELECT machine, timestamp
FROM raw
WHERE NOT starts_with(subsystem, 'perfkit/')
GROUP BY machine, timestamp
HAVING count(*) > count(DISTINCT subsystem)
