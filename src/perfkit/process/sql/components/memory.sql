-- memory.csv: how memory was used at the instant of each sample, in KiB (the kernel's "kB").
--
-- Source: /proc/meminfo; Documentation/filesystems/proc.rst, section "meminfo", and man 5 proc_meminfo.
-- Lines by name; a kernel that lacks one leaves its column empty. MemAvailable is there since Linux 3.14. A part that is larger than its whole
-- (some containers' own /proc) is not known.
WITH fields AS (
    SELECT machine, timestamp,
           nullif(whole(regexp_extract(measurement, '^MemTotal: +(\d+)', 1)), 0) AS total, number_of(measurement, 'MemFree:') AS told_free,
           number_of(measurement, 'MemAvailable:') AS told_available, number_of(measurement, 'Buffers:') AS told_buffers,
           number_of(measurement, 'Cached:') AS told_cached, number_of(measurement, 'Slab:') AS told_slab,
           number_of(measurement, 'SReclaimable:') AS told_sreclaimable, number_of(measurement, 'Shmem:') AS told_shmem,
           number_of(measurement, 'AnonPages:') AS told_anon, number_of(measurement, 'Dirty:') AS told_dirty,
           number_of(measurement, 'Active:') AS told_active, number_of(measurement, 'Inactive:') AS told_inactive,
           number_of(measurement, 'Committed_AS:') AS committed,
           contains(measurement, 'MemAvailable:') AS has_available, number_of(measurement, 'SwapTotal:') AS swap_total, number_of(measurement, 'SwapFree:') AS told_swap_free
    FROM raw
    WHERE subsystem = '/proc/meminfo'
), parts AS (
    SELECT machine, timestamp, total, part_of(told_free, total) AS free, part_of(told_available, total) AS available,
           part_of(told_buffers, total) AS buffers, part_of(told_cached, total) AS cached, part_of(told_slab, total) AS slab,
           part_of(told_sreclaimable, total) AS sreclaimable, part_of(told_shmem, total) AS shmem, part_of(told_anon, total) AS anon,
           part_of(told_dirty, total) AS dirty, part_of(told_active, total) AS active, part_of(told_inactive, total) AS inactive, committed, swap_total,
           part_of(told_swap_free, swap_total) AS swap_free,
           CASE WHEN has_available THEN total - available ELSE at_least(total - free - buffers - cached, 0) END AS used,
           greatest(told_free, told_available, told_buffers, told_cached, told_slab, told_sreclaimable, told_shmem, told_anon, told_dirty, told_active,
                    told_inactive) > total OR told_swap_free > swap_total
               OR (has_available AND told_available IS NULL) AS impossible
    FROM fields
)
SELECT machine, timestamp,
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
       at_least(total - free - buffers - cached - slab, 0) AS sysstat_used_kb,  -- KiB, kbmemused of sysstat 12
       CASE WHEN impossible THEN 'a part is no number, or larger than its total'
            WHEN total + free + buffers + cached + slab + sreclaimable + anon + dirty + active + inactive + committed + swap_total + swap_free IS NULL
            THEN 'a line is missing, or holds no number' END AS why
FROM parts
