-- The load of each window of `asked` (number, range, from_timestamp, to_timestamp) next to what the host used, as means of blocks of time.
-- From `timeline` (run, timestamp, users, throughput, latency_ms) and `host`; $cpus is the number of CPUs, $period_ms the host's period.
--   load of a block   each tool's mean, then the sum of the tools; of the latency the mean of the requests
--   used in a block   CPU-seconds, disk bytes and network bytes per second
-- A row of a tool is a stretch that begins at its timestamp, a host's sample one that ends there: each counts in the block of its middle. A
-- block is five of the longer of both stretches; one or more where there would be fewer than 48 blocks, more where there would be over 400.
-- A tool's first and last row are left out: they are cut where it began and ended. So a tool that tells one level alone has no block.
CREATE OR REPLACE TEMP TABLE blocks AS
WITH rows_within AS (
    SELECT range, from_timestamp, to_timestamp, t.*, lead(t.timestamp) OVER in_time - t.timestamp AS step,
           row_number() OVER in_time AS place, count(*) OVER (PARTITION BY range, run) AS tool_rows
    FROM timeline AS t JOIN asked ON t.timestamp BETWEEN from_timestamp AND to_timestamp
    WINDOW in_time AS (PARTITION BY range, run ORDER BY t.timestamp)
), steps AS (
    SELECT range, run, quantile_disc(step, 0.5) AS step FROM rows_within GROUP BY range, run HAVING count(step) > 0
), widths AS (
    SELECT range, s.step AS longest, span / s.step AS fit,
           s.step * CASE WHEN fit > 2000 THEN ceil(fit / 400) ELSE greatest(1, least(5, floor(fit / 48))) END AS width
    FROM (SELECT range, greatest(max(step), $period_ms) AS step FROM steps GROUP BY range) AS s
    JOIN (SELECT range, max(timestamp) - min(timestamp) AS span FROM rows_within GROUP BY range) USING (range)
), of_tools AS (
    SELECT range, floor((timestamp + step / 2 - from_timestamp) / width)::BIGINT AS block, run, any_value(from_timestamp + width * block) AS timestamp,
           avg(users) AS users, avg(throughput) AS throughput, coalesce(sum(latency_ms * throughput) / nullif(sum(throughput) FILTER (latency_ms IS NOT NULL), 0), avg(latency_ms)) AS latency_ms
    FROM (SELECT * EXCLUDE (step) FROM rows_within WHERE place > 1 AND place < tool_rows) JOIN steps USING (range, run) JOIN widths USING (range)
    GROUP BY range, block, run
), loads AS (
    SELECT range, block, any_value(timestamp)::BIGINT AS timestamp, sum(users) AS users, sum(throughput) AS throughput,
           sum(latency_ms * throughput) / nullif(sum(throughput) FILTER (latency_ms IS NOT NULL), 0) AS latency_ms
    FROM of_tools GROUP BY range, block HAVING count(throughput) > 0
), used AS (
    SELECT range, floor((host.timestamp - $period_ms / 2 - from_timestamp) / width)::BIGINT AS block, avg(cpu_busy) / 100 * $cpus AS cpu_seconds,
           avg(disk_read_bytes + disk_write_bytes) AS disk_bytes, avg(net_rx_bytes + net_tx_bytes) AS network_bytes
    FROM host JOIN asked ON machine = number AND host.timestamp BETWEEN from_timestamp AND to_timestamp JOIN widths USING (range)
    GROUP BY range, block
)
SELECT range, block, timestamp, users, throughput, latency_ms, cpu_seconds, disk_bytes, network_bytes
FROM loads LEFT JOIN used USING (range, block)
