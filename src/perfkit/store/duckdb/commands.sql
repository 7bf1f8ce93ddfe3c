-- The CPU of each command in `used` of one run, into `series`, in % of one core.
INSERT INTO series
SELECT $run, 'processes.cpu_percent', command, timestamp, cpu_percent FROM used WHERE NOT own
