-- How high each resource was in each window of `asked`: the 95th percentile in %, of the busiest disk where there are several. The
-- network has none where the speed of its links is not known; it stands here where it was recorded.
SELECT range, 'cpu' AS resource, quantile_cont(cpu_busy, 0.95) AS level
FROM host JOIN asked ON machine = number AND timestamp BETWEEN from_timestamp AND to_timestamp GROUP BY range HAVING count(cpu_busy) > 0
UNION ALL
SELECT range, 'memory', quantile_cont(used_percent, 0.95)
FROM memory JOIN asked ON machine = number AND timestamp BETWEEN from_timestamp AND to_timestamp GROUP BY range HAVING count(used_percent) > 0
UNION ALL
SELECT range, 'disk', max(level)
FROM (
    SELECT range, quantile_cont(util_percent, 0.95) AS level
    FROM disk JOIN asked ON machine = number AND timestamp BETWEEN from_timestamp AND to_timestamp
    WHERE in_total = 1 GROUP BY range, device HAVING count(util_percent) > 0
) GROUP BY range
UNION ALL
SELECT range, 'network', max(level)
FROM (
    SELECT range, if(count(util_percent) > 0, quantile_cont(util_percent, 0.95), NULL) AS level
    FROM network JOIN asked ON machine = number AND timestamp BETWEEN from_timestamp AND to_timestamp
    WHERE in_total = 1 GROUP BY range, interface HAVING count(rx_bytes) > 0
) GROUP BY range
