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
                              cpuinfo(text, 'uarch'), cpuinfo(text, 'cpu type'), arm_names.name, cpuinfo(text, 'Processor'), 'machine ' || nullif(mainframe, '')),
       'cpu_cores', nullif(whole(cpuinfo(text, 'cpu cores')), 0),               -- cores of one package
       'siblings', nullif(whole(cpuinfo(text, 'siblings')), 0),                 -- CPUs (threads) of one package
       'cpu_mhz', nullif(try_cast(regexp_extract(coalesce(cpuinfo(text, 'cpu MHz'), cpuinfo(text, 'CPU MHz'), cpuinfo(text, 'clock'),
                                                   cpuinfo(text, 'cpu MHz dynamic')), '^[\d.]+') AS DOUBLE), 0),
       'cache_size', cpuinfo(text, 'cache size'),
       'total_cpus', coalesce(nullif(greatest(blocks, rows), 0), nullif(whole(told), 0), whole_bytes(cores.cpus)),  -- CPUs (threads) of the machine; else as /proc/stat has them
       'physical_cpus', nullif(len(list_distinct(regexp_extract_all(text, '(?m)^(?:physical id|package)\s*: *(\d+)', 1))), 0),  -- packages
       'bogomips', nullif(try_cast(coalesce(cpuinfo(text, 'bogomips'), cpuinfo(text, 'BogoMIPS'), cpuinfo(text, 'bogomips per cpu')) AS DOUBLE), 0),
       'flags', coalesce(cpuinfo(text, 'flags'), cpuinfo(text, 'Features'), cpuinfo(text, 'features'), cpuinfo(text, 'isa'))) AS system_info
FROM read
LEFT JOIN (VALUES ('0x41 0xd03', 'Cortex-A53'), ('0x41 0xd05', 'Cortex-A55'), ('0x41 0xd07', 'Cortex-A57'), ('0x41 0xd08', 'Cortex-A72'),
                  ('0x41 0xd09', 'Cortex-A73'), ('0x41 0xd0a', 'Cortex-A75'), ('0x41 0xd0b', 'Cortex-A76'), ('0x41 0xd0c', 'Neoverse-N1'),
                  ('0x41 0xd0d', 'Cortex-A77'), ('0x41 0xd40', 'Neoverse-V1'), ('0x41 0xd41', 'Cortex-A78'), ('0x41 0xd49', 'Neoverse-N2'),
                  ('0x41 0xd4f', 'Neoverse-V2'), ('0x41 0xd84', 'Neoverse-V3'), ('0x41 0xd8e', 'Neoverse-N3'), ('0x46 0x001', 'A64FX'),
                  ('0x48 0xd01', 'Kunpeng 920'), ('0x41 0xb76', 'ARM1176'), ('0x41 0xc07', 'Cortex-A7'), ('0x41 0xc09', 'Cortex-A9'),
                  ('0x41 0xc0f', 'Cortex-A15'), ('0x41 0xd04', 'Cortex-A35'), ('0x41 0xd44', 'Cortex-X1'), ('0x41 0xd47', 'Cortex-A710'),
                  ('0x43 0x0a1', 'ThunderX'), ('0x43 0x0af', 'ThunderX2'), ('0x4e 0x004', 'Carmel'), ('0x61 0x022', 'Apple M1'), ('0x61 0x023', 'Apple M1'),
                  ('0x61 0x032', 'Apple M2'), ('0x61 0x033', 'Apple M2'), ('0x70 0x662', 'Phytium FTC662'), ('0x70 0x663', 'Phytium FTC663'),
                  ('0x6d 0xd49', 'Azure Cobalt 100'), ('0xc0 0xac3', 'Ampere-1'), ('0xc0 0xac4', 'Ampere-1A'))
    AS arm_names (part, name) USING (part)
LEFT JOIN cores USING (machine)
