-- CPU busy (%) of a host.csv alone: neither idle nor waiting for I/O.
UPDATE host SET cpu_busy = greatest(100 - cpu_idle - coalesce(cpu_iowait, 0), 0) WHERE cpu_busy IS NULL AND cpu_idle IS NOT NULL
