-- The names of the devices that each read of /proc/diskstats and /proc/net/dev lists, in the order of its lines; '' for a line without one.
SELECT source, subsystem, timestamp, list_transform(lines_of(measurement), lambda l: regexp_extract(l, '^ *\d+ +\d+ +(\S+) ', 1)) AS names
FROM raw
WHERE subsystem = '/proc/diskstats'
UNION ALL
SELECT source, subsystem, timestamp, list_transform(lines_of(measurement), lambda l: regexp_extract(l, '^ *([^ :]+):', 1))
FROM raw
WHERE subsystem = '/proc/net/dev'
