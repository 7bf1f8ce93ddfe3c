-- For each tile the 60 s with the highest mean in the window, from where on, and that mean: of every six neighbouring buckets of 10 s, from
-- the rollup as far as it reaches, else from the samples. A minute in which a bucket is missing, or that reaches over the window, does not count.
WITH buckets AS (
    SELECT timestamp, samples, cpu_busy_avg AS cpu, mem_used_avg AS memory, disk_read_bytes_avg + disk_write_bytes_avg AS disk,
           net_rx_bytes_avg + net_tx_bytes_avg AS network
    FROM host_metrics_10s
    WHERE collector_id = :collector AND timestamp >= :start AND timestamp <= :end - 9999
    UNION ALL
    SELECT timestamp - timestamp % 10000, count(*), avg(cpu_busy), avg(mem_used), avg(disk_read_bytes) + avg(disk_write_bytes),
           avg(net_rx_bytes) + avg(net_tx_bytes)
    FROM host_metrics
    WHERE collector_id = :collector AND timestamp <= :end AND timestamp >= max(:start, coalesce((
        SELECT until FROM levels WHERE collector_id = :collector AND width_ms = 10000), 0))
    GROUP BY timestamp - timestamp % 10000
), minutes AS (
    SELECT timestamp - 50000 AS minute, count(*) OVER w AS buckets,
           sum(cpu * samples) OVER w / sum(CASE WHEN cpu IS NOT NULL THEN samples END) OVER w AS cpu,
           sum(memory * samples) OVER w / sum(CASE WHEN memory IS NOT NULL THEN samples END) OVER w AS memory,
           sum(disk * samples) OVER w / sum(CASE WHEN disk IS NOT NULL THEN samples END) OVER w AS disk,
           sum(network * samples) OVER w / sum(CASE WHEN network IS NOT NULL THEN samples END) OVER w AS network
    FROM buckets WINDOW w AS (ORDER BY timestamp RANGE BETWEEN 50000 PRECEDING AND CURRENT ROW)
), whole AS (
    SELECT * FROM minutes WHERE buckets = 6 AND minute >= :start - :start % 10000
)
SELECT * FROM (SELECT 'cpu' AS tile, minute, cpu AS value FROM whole WHERE cpu IS NOT NULL ORDER BY cpu DESC, minute LIMIT 1)
UNION ALL
SELECT * FROM (SELECT 'memory', minute, memory FROM whole WHERE memory IS NOT NULL ORDER BY memory DESC, minute LIMIT 1)
UNION ALL
SELECT * FROM (SELECT 'disk', minute, disk FROM whole WHERE disk IS NOT NULL ORDER BY disk DESC, minute LIMIT 1)
UNION ALL
SELECT * FROM (SELECT 'network', minute, network FROM whole WHERE network IS NOT NULL ORDER BY network DESC, minute LIMIT 1)
