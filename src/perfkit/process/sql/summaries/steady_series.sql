-- CPU busy (%) of one machine in each of its runs and phases, for steady.sql.
CREATE OR REPLACE TEMP TABLE series AS
SELECT 'run:' || run || if(phase IS NULL, '', ':' || phase) AS phase, host.timestamp, cpu_busy AS value
FROM host JOIN runs ON runs.machine = host.machine AND host.timestamp > runs.from_timestamp AND host.timestamp <= runs.to_timestamp
WHERE host.machine = $machine
