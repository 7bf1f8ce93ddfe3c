-- The tables of which a machine has more than :devices devices, and how many it has. SQLite runs it.
SELECT substr(metric, 1, instr(metric, '.') - 1) AS name, max(devices) AS devices
FROM (SELECT metric, count(*) AS devices FROM percentiles WHERE collector_id = :collector_id AND range = 'all' GROUP BY metric)
GROUP BY name
HAVING max(devices) > :devices
