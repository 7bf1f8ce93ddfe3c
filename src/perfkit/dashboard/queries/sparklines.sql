-- Each collector's last hour of CPU in minutes: what was not idle and did not wait for I/O.
SELECT c.id, m.timestamp / 60000 * 60000 AS minute, round(avg(m.cpu_busy_avg), 1) AS busy
FROM collectors AS c
JOIN host_metrics_1m AS m ON m.collector_id = c.id AND m.timestamp > c.last_timestamp - 3600000
GROUP BY c.id, minute
UNION ALL
SELECT c.id, m.timestamp / 60000 * 60000 AS minute, round(avg(m.cpu_busy), 1) AS busy
FROM collectors AS c
JOIN host_metrics AS m ON m.collector_id = c.id AND m.timestamp >= max(c.last_timestamp - 3600000, coalesce((
    SELECT until FROM levels AS r WHERE r.collector_id = c.id AND r.width_ms = 60000), 0))
GROUP BY c.id, minute
ORDER BY 1, 2
