-- {used} of rules.toml: how much CPU each command took, a row for every sample whose processes are known (a process without a row of its own in
-- a sample did nothing), in % of one CPU. `own` is the collector itself. Commands that never took 2 % are left out, but for it.
CREATE OR REPLACE TABLE used AS
WITH named AS (
    SELECT p.machine, p.timestamp, p.pid, p.pid = r.collector AS own, if(p.pid = r.collector, 'the collector', p.command) AS command, p.cpu_percent
    FROM processes AS p CROSS JOIN run_facts AS r
    WHERE p.timestamp BETWEEN $start AND $end
), moments AS (
    SELECT machine, timestamp FROM named WHERE pid = '0' GROUP BY ALL
), shares AS (
    SELECT machine, timestamp, command, bool_or(own) AS own, sum(cpu_percent) AS cpu_percent FROM named WHERE pid <> '0' GROUP BY ALL
), commands AS (
    SELECT command, bool_or(own) AS own FROM shares GROUP BY command HAVING bool_or(own) OR max(cpu_percent) > 2
)
SELECT machine, timestamp, command, c.own, coalesce(cpu_percent, 0) AS cpu_percent
FROM moments CROSS JOIN commands AS c LEFT JOIN shares USING (machine, timestamp, command)
