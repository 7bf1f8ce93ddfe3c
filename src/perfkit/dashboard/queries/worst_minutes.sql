-- For each tile the minute with the highest mean in the window, from whole minutes of the rollup where there are, else from samples.
WITH minutes AS (
    SELECT timestamp AS minute, 100 - cpu_idle_avg - cpu_iowait_avg AS cpu, mem_used_avg AS memory,
        disk_read_bytes_avg + disk_write_bytes_avg AS disk, net_rx_bytes_avg + net_tx_bytes_avg AS network
    FROM host_metrics_1m
    WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end - 59999
    UNION ALL
    SELECT timestamp - timestamp % 60000, 100 - avg(cpu_idle) - avg(cpu_iowait), avg(mem_used),
        avg(disk_read_bytes) + avg(disk_write_bytes), avg(net_rx_bytes) + avg(net_tx_bytes)
    FROM host_metrics
    WHERE collector_id = :collector AND timestamp BETWEEN max(:start, coalesce((
        SELECT until FROM levels WHERE collector_id = :collector AND width_ms = 60000), 0)) AND :end
    GROUP BY timestamp - timestamp % 60000
)
SELECT * FROM (SELECT 'cpu' AS tile, minute, cpu AS value FROM minutes WHERE cpu IS NOT NULL ORDER BY cpu DESC, minute LIMIT 1)
UNION ALL
SELECT * FROM (SELECT 'memory', minute, memory FROM minutes WHERE memory IS NOT NULL ORDER BY memory DESC, minute LIMIT 1)
UNION ALL
SELECT * FROM (SELECT 'disk', minute, disk FROM minutes WHERE disk IS NOT NULL ORDER BY disk DESC, minute LIMIT 1)
UNION ALL
SELECT * FROM (SELECT 'network', minute, network FROM minutes WHERE network IS NOT NULL ORDER BY network DESC, minute LIMIT 1)
