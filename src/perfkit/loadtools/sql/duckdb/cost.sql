-- What a request cost the host in each window of `blocks`: the slope of the least-squares line of what it used against throughput, where that
-- varied ($varied as in knee.sql). Each is a series whose mean is the slope, and the standard error of whose mean is the slope's: of each block
-- slope + (x - mean x) e / var(x), with e what the line leaves over (its influence). So the intervals are those of any mean of neighbours that
-- resemble each other, store/duckdb/estimates.sql. The line has taken a part of the $basis cosines that are looked at there: `share` is what it
-- leaves of them where the noise is white (as HC2 does for single samples), and the series is stretched by it.
CREATE OR REPLACE TEMP TABLE series AS
WITH used AS (
    UNPIVOT (SELECT range, timestamp, throughput, cpu_seconds, disk_bytes, network_bytes FROM blocks)
    ON cpu_seconds, disk_bytes, network_bytes INTO NAME metric VALUE used
), lines AS (
    SELECT range, metric, count(*) AS n, regr_slope(used, throughput) AS slope, avg(throughput) AS mean_x, avg(used) AS mean_y, var_pop(throughput) AS xx
    FROM used GROUP BY range, metric
    HAVING n >= $fewest AND max(throughput) > 0 AND quantile_cont(throughput, 0.95) >= $varied * quantile_cont(throughput, 0.05)
), placed AS (
    SELECT range, metric, timestamp, n, xx, slope, throughput - mean_x AS x, used - mean_y - slope * (throughput - mean_x) AS e,
           row_number() OVER (PARTITION BY range, metric ORDER BY timestamp) AS i
    FROM used JOIN lines USING (range, metric)
), cosines AS (
    SELECT range, metric, j, any_value(n) AS n, any_value(xx) AS xx, sum(c * c * x * x) AS whole, sum(c * x) AS with_level, sum(c * x * x) AS with_slope
    FROM (SELECT *, cos(pi() * j * (i - 0.5) / n) AS c FROM placed CROSS JOIN (SELECT unnest(range(1, $basis + 1)) AS j))
    GROUP BY range, metric, j
), kept AS (
    SELECT range, metric, 2 * avg(whole - with_level * with_level / n - with_slope * with_slope / (n * xx)) / any_value(n * xx) AS share
    FROM cosines GROUP BY range, metric
)
SELECT range AS run, metric, '' AS device, timestamp, slope + x * e / (xx * sqrt(share)) AS value
FROM placed JOIN kept USING (range, metric)
