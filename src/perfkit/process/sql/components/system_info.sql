-- The CPU's identity, a JSON object per machine; the keys are those of system_info.json.
--
-- Source: /proc/cpuinfo (man 5 proc_cpuinfo), the newest one of the machine; values of its first block. Each architecture names them its own
-- way (arch/*/kernel/cpu/proc.c and the like): x86 "model name", LoongArch "Model Name", POWER, SPARC and PA-RISC "cpu", MIPS and Alpha "cpu model",
-- RISC-V "uarch"; arm64 has numbers alone (arch/arm64/include/asm/cputype.h), s390x one line per CPU. What is not told is null, never 0.
WITH newest AS (
    SELECT machine, max_by(measurement, timestamp) AS text FROM raw WHERE subsystem = '/proc/cpuinfo' GROUP BY machine
), read AS (
    SELECT *, cpuinfo(text, 'CPU implementer') || ' ' || cpuinfo(text, 'CPU part') AS part, regexp_extract(text, 'machine = (\w+)', 1) AS mainframe,
           len(regexp_extract_all(text, '(?m)^processor\s*:')) AS blocks, len(regexp_extract_all(text, '(?m)^processor \d+:')) AS rows,
           coalesce(cpuinfo(text, '# processors'), cpuinfo(text, 'ncpus active'), cpuinfo(text, 'cpus active'), cpuinfo(text, 'cpus detected')) AS told
    FROM newest
)
SELECT machine, json_object(
       'vendor_id', cpuinfo(text, 'vendor_id'),
       'model_name', coalesce(cpuinfo(text, 'model name'), cpuinfo(text, 'Model Name'), cpuinfo(text, 'cpu model'), cpuinfo(text, 'cpu'),
                              cpuinfo(text, 'uarch'), arm_names.name, 'machine ' || nullif(mainframe, '')),
       'cpu_cores', whole(cpuinfo(text, 'cpu cores')),                          -- cores of one package
       'siblings', whole(cpuinfo(text, 'siblings')),                            -- CPUs (threads) of one package
       'cpu_mhz', try_cast(regexp_extract(coalesce(cpuinfo(text, 'cpu MHz'), cpuinfo(text, 'CPU MHz'), cpuinfo(text, 'clock'),
                                                   cpuinfo(text, 'cpu MHz dynamic')), '^[\d.]+') AS DOUBLE),
       'cache_size', cpuinfo(text, 'cache size'),
       'total_cpus', coalesce(nullif(greatest(blocks, rows), 0), nullif(whole(told), 0)),  -- CPUs (threads) of the machine
       'physical_cpus', nullif(len(list_distinct(regexp_extract_all(text, '(?m)^(?:physical id|package)\s*: *(\d+)', 1))), 0),  -- packages
       'bogomips', try_cast(coalesce(cpuinfo(text, 'bogomips'), cpuinfo(text, 'BogoMIPS'), cpuinfo(text, 'bogomips per cpu')) AS DOUBLE),
       'flags', coalesce(cpuinfo(text, 'flags'), cpuinfo(text, 'Features'), cpuinfo(text, 'features'), cpuinfo(text, 'isa'))) AS system_info
FROM read
LEFT JOIN (VALUES ('0x41 0xd03', 'Cortex-A53'), ('0x41 0xd05', 'Cortex-A55'), ('0x41 0xd07', 'Cortex-A57'), ('0x41 0xd08', 'Cortex-A72'),
                  ('0x41 0xd09', 'Cortex-A73'), ('0x41 0xd0a', 'Cortex-A75'), ('0x41 0xd0b', 'Cortex-A76'), ('0x41 0xd0c', 'Neoverse-N1'),
                  ('0x41 0xd0d', 'Cortex-A77'), ('0x41 0xd40', 'Neoverse-V1'), ('0x41 0xd41', 'Cortex-A78'), ('0x41 0xd49', 'Neoverse-N2'),
                  ('0x41 0xd4f', 'Neoverse-V2'), ('0x41 0xd84', 'Neoverse-V3'), ('0x41 0xd8e', 'Neoverse-N3'), ('0x46 0x001', 'A64FX'),
                  ('0x48 0xd01', 'Kunpeng 920'), ('0x6d 0xd49', 'Azure Cobalt 100'), ('0xc0 0xac3', 'Ampere-1'), ('0xc0 0xac4', 'Ampere-1A'))
    AS arm_names (part, name) USING (part)
