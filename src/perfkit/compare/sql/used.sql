-- What each command of one run used in [$start, $end] ms, into `used`; a row of '' for each sample whose processes are known.
INSERT INTO used
SELECT $run, 'processes.cpu_percent', if(pid = '0', '', command), timestamp, sum(cpu_percent)
FROM processes WHERE timestamp BETWEEN $start AND $end AND (pid = '0' OR command <> '')
GROUP BY ALL
