-- host.csv: the machine as a whole, a row for every sample that has a predecessor.
--
-- Made of the components: cpu 'all', memory, and the disks and interfaces that count in the total (in_total), so that each byte counts once.
-- Sums are in the order of the names: floating point sums depend on their order, and the same machine should have the same digits again.
-- Where no device of a sample has a rate (first sample, reboot), the total is empty.
WITH disks AS (
    SELECT machine, timestamp, sum(read_bytes ORDER BY device) AS read_bytes, sum(write_bytes ORDER BY device) AS write_bytes, sum(read_ops ORDER BY device) AS read_ops, sum(write_ops ORDER BY device) AS write_ops
    FROM disk WHERE in_total = 1 GROUP BY machine, timestamp
), interfaces AS (
    SELECT machine, timestamp, sum(rx_bytes ORDER BY interface) AS rx_bytes, sum(tx_bytes ORDER BY interface) AS tx_bytes, sum(rx_packets ORDER BY interface) AS rx_packets, sum(tx_packets ORDER BY interface) AS tx_packets
    FROM network WHERE in_total = 1 GROUP BY machine, timestamp
)
SELECT machine, timestamp,
       cpu."user" + cpu.nice AS cpu_user,                    -- %, nice included
       cpu.system + cpu.irq + cpu.softirq AS cpu_system,     -- %, interrupts included
       cpu.iowait AS cpu_iowait,                             -- %
       cpu.idle AS cpu_idle,                                 -- %
       cpu.steal AS cpu_steal,                               -- %
       cpu.busy AS cpu_busy,                                 -- %: neither idle nor waiting for I/O
       memory.total_kb / 1024 AS mem_total,                  -- MiB
       memory.used_kb / 1024 AS mem_used,                    -- MiB
       memory.available_kb / 1024 AS mem_available,          -- MiB
       memory.buffers_kb / 1024 AS mem_buffers,              -- MiB
       memory.cached_kb / 1024 AS mem_cached,                -- MiB
       disks.read_bytes AS disk_read_bytes,                  -- B/s
       disks.write_bytes AS disk_write_bytes,                -- B/s
       disks.read_ops AS disk_read_ops,                      -- reads/s
       disks.write_ops AS disk_write_ops,                    -- writes/s
       interfaces.rx_bytes AS net_rx_bytes,                  -- B/s
       interfaces.tx_bytes AS net_tx_bytes,                  -- B/s
       interfaces.rx_packets AS net_rx_packets,              -- packets/s
       interfaces.tx_packets AS net_tx_packets               -- packets/s
FROM samples
LEFT JOIN (FROM cpu WHERE cpu = 'all') AS cpu USING (machine, timestamp)
LEFT JOIN memory USING (machine, timestamp)
LEFT JOIN disks USING (machine, timestamp)
LEFT JOIN interfaces USING (machine, timestamp)
WHERE NOT samples.first AND coalesce(cpu.cpu, memory.total_kb::VARCHAR, disks.timestamp::VARCHAR, interfaces.timestamp::VARCHAR) IS NOT NULL
