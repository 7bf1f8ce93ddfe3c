-- memory.csv: how memory was used at the instant of each sample, in KiB (the kernel's "kB").
--
-- Source: /proc/meminfo; Documentation/filesystems/proc.rst, section "meminfo", and man 5 proc_meminfo.
-- Lines by name; a kernel that lacks one leaves its column empty. MemAvailable is there since Linux 3.14.
WITH fields AS (
    SELECT source, timestamp,
           whole(regexp_extract(measurement, '^MemTotal: +(\d+)', 1)) AS total, number_of(measurement, 'MemFree:') AS free,
           number_of(measurement, 'MemAvailable:') AS available, number_of(measurement, 'Buffers:') AS buffers,
           number_of(measurement, 'Cached:') AS cached, number_of(measurement, 'Slab:') AS slab,
           number_of(measurement, 'SReclaimable:') AS sreclaimable, number_of(measurement, 'Shmem:') AS shmem,
           number_of(measurement, 'AnonPages:') AS anon, number_of(measurement, 'Dirty:') AS dirty,
           number_of(measurement, 'Active:') AS active, number_of(measurement, 'Inactive:') AS inactive,
           number_of(measurement, 'Committed_AS:') AS committed,
           number_of(measurement, 'SwapTotal:') AS swap_total, number_of(measurement, 'SwapFree:') AS swap_free,
           coalesce(total - available, total - free - buffers - cached) AS used
    FROM raw
    WHERE subsystem = '/proc/meminfo'
)
SELECT source, timestamp,
       total AS total_kb,                                    -- KiB
       free AS free_kb,                                      -- KiB, unused by anything
       available AS available_kb,                            -- KiB, the kernel's estimate of what new programs can get
       used AS used_kb,                                      -- KiB, total - available; without it total - free - buffers - cached
       100 * used / total AS used_percent,                   -- % of total
       buffers AS buffers_kb,                                -- KiB
       cached AS cached_kb,                                  -- KiB, page cache, shmem inside
       slab AS slab_kb,                                      -- KiB
       sreclaimable AS sreclaimable_kb,                      -- KiB, the part of slab that can be given back
       shmem AS shmem_kb,                                    -- KiB
       anon AS anon_kb,                                      -- KiB, mapped pages without a file
       dirty AS dirty_kb,                                    -- KiB, waiting to be written
       active AS active_kb,                                  -- KiB
       inactive AS inactive_kb,                              -- KiB
       committed AS committed_kb,                            -- KiB, promised to all programs
       swap_total AS swap_total_kb,                          -- KiB
       swap_free AS swap_free_kb,                            -- KiB
       at_least(total - free - buffers - cached - slab, 0) AS sysstat_used_kb  -- KiB, kbmemused of sysstat 12
FROM fields
