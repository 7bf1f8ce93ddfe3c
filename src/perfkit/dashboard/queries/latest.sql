-- Each collector's newest sample.
SELECT c.id, round(m.cpu_busy, 1) AS busy, round(100.0 * m.mem_used / nullif(m.mem_total, 0), 1) AS memory,
    m.disk_read_bytes + m.disk_write_bytes AS disk, m.net_rx_bytes + m.net_tx_bytes AS network
FROM collectors AS c
-- CROSS keeps the order: one look-up a collector, not one a sample.
CROSS JOIN host_metrics AS m ON m.collector_id = c.id AND m.timestamp = c.last_timestamp
