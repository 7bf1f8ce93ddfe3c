-- The CPU's identity, a JSON object per source; the keys are those of system_info.json.
--
-- Source: /proc/cpuinfo (man 5 proc_cpuinfo), the newest one of the source; values of its first block. Architectures other than x86
-- lack most of these lines: their values are null.
WITH newest AS (
    SELECT source, max_by(measurement, timestamp) AS text FROM raw WHERE subsystem = '/proc/cpuinfo' GROUP BY source
)
SELECT source, json_object(
       'vendor_id', cpuinfo(text, 'vendor_id'),
       'model_name', cpuinfo(text, 'model name'),
       'cpu_cores', whole(cpuinfo(text, 'cpu cores')),                          -- cores of one package
       'siblings', whole(cpuinfo(text, 'siblings')),                            -- CPUs (threads) of one package
       'cpu_mhz', try_cast(cpuinfo(text, 'cpu MHz') AS DOUBLE),
       'cache_size', cpuinfo(text, 'cache size'),
       'total_cpus', len(regexp_extract_all(text, '(?m)^processor\s*:')),       -- CPUs (threads) of the machine
       'physical_cpus', len(list_distinct(regexp_extract_all(text, '(?m)^physical id\s*: *(\d+)', 1))),  -- packages
       'bogomips', try_cast(cpuinfo(text, 'bogomips') AS DOUBLE),
       'flags', cpuinfo(text, 'flags')) AS system_info
FROM newest
