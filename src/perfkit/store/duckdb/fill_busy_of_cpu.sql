-- CPU busy (%) of the host is that of all CPUs together; where cpu.csv lacks it, what is neither idle nor waiting for I/O.
UPDATE cpu SET busy = greatest(100 - idle - coalesce(iowait, 0), 0) WHERE busy IS NULL AND idle IS NOT NULL;
UPDATE host SET cpu_busy = cpu.busy FROM cpu WHERE cpu.timestamp = host.timestamp AND cpu.cpu = 'all' AND cpu_busy IS NULL
