-- How far a load tool's timeline seems to be from the machine's own clock: the correlation of its operations with the packets that the machine
-- received and sent, for each shift of the timeline by whole seconds up to a minute either way. `r` is NULL where one of them does not change.
WITH RECURSIVE shifts (shift) AS (
    SELECT -60 UNION ALL SELECT shift + 1 FROM shifts WHERE shift < 60
), load AS (
    SELECT timestamp / 1000 AS second, sum(throughput) AS x FROM load_metrics WHERE collector_id = :collector_id AND run = :run AND throughput IS NOT NULL GROUP BY 1
), machine AS (
    -- A sample's rate is that of the second before it.
    SELECT (timestamp - 500) / 1000 AS second, avg(net_rx_packets + net_tx_packets) AS y FROM host_metrics
    WHERE collector_id = :collector_id AND net_rx_packets IS NOT NULL AND timestamp BETWEEN :first - 61000 AND :last + 62000 GROUP BY 1
), sums AS (
    SELECT shift, count(*) AS n, 1.0 * sum(x) AS sx, 1.0 * sum(y) AS sy, 1.0 * sum(x * x) AS sxx, 1.0 * sum(y * y) AS syy, 1.0 * sum(x * y) AS sxy
    FROM shifts JOIN load JOIN machine ON machine.second = load.second + shift
    GROUP BY shift
)
SELECT shift, n, (n * sxy - sx * sy) / nullif(sqrt(max(n * sxx - sx * sx, 0)) * sqrt(max(n * syy - sy * sy, 0)), 0) AS r FROM sums ORDER BY shift
