-- The knee of each window of `blocks`: where the least-squares line of two parts, joined at the knee, of throughput against load bends.
--   load_is    what the load is: 'users', where every block tells them and they varied, else 'requests in flight': throughput times latency
--              (Little's law). A fit of latency against throughput itself goes wrong where it matters: the points of a system that is at its
--              limit stand above one another. Throughput alone shows no knee: a load that is held looks like one that is limited.
--   knee       the load there     level     the throughput there     since     the first block with so much load
--   before, after  what one more user brings     grown     the throughput at the knee as a multiple of that of the least load
--   beyond     how much more load there was, as a multiple (95th percentile)
--   f          how much less the bent line leaves over than a straight one, as Fisher's F
-- A load varied where its 95th percentile is at least $varied times its 5th. At most 60 loads are tried, with three blocks on each side.
CREATE OR REPLACE TEMP TABLE knees AS
WITH ranges AS (
    SELECT range, count(*) AS n, count(users) AS with_users, count(latency_ms) AS with_latency,
           max(users) > 0 AND quantile_cont(users, 0.95) >= $varied * quantile_cont(users, 0.05) AS users_varied,
           max(throughput) > 0 AND quantile_cont(throughput, 0.95) >= $varied * quantile_cont(throughput, 0.05) AS throughput_varied
    FROM blocks GROUP BY range
), chosen AS (
    SELECT range, n, users_varied OR throughput_varied AS load_varied, throughput_varied, CASE
        WHEN with_users = n AND users_varied THEN 'users'
        WHEN with_latency >= 0.9 * n AND throughput_varied THEN 'requests in flight' END AS load_is
    FROM ranges
), points AS (
    SELECT range, timestamp, if(load_is = 'users', users, throughput * latency_ms / 1000) AS x, throughput AS y
    FROM blocks JOIN chosen USING (range) WHERE n >= $fewest AND x IS NOT NULL
), tried AS (
    SELECT DISTINCT range, unnest(quantile_disc(x, list_transform(range(1, 61), lambda i: i / 61.0))) AS knee FROM points GROUP BY range
), sums AS (
    SELECT range, knee, count(*) AS n, avg(x) AS mean_x, avg(y) AS mean_y, avg(greatest(x - knee, 0)) AS mean_z, min(x) AS least, quantile_cont(x, 0.95) AS most,
           var_pop(x) AS xx, var_pop(greatest(x - knee, 0)) AS zz, var_pop(y) AS yy, covar_pop(x, greatest(x - knee, 0)) AS xz,
           covar_pop(x, y) AS xy, covar_pop(greatest(x - knee, 0), y) AS zy
    FROM points JOIN tried USING (range)
    GROUP BY range, knee
    HAVING count(*) FILTER (x <= knee) >= 3 AND count(*) FILTER (x > knee) >= 3
), fits AS (
    SELECT *, (xy * zz - zy * xz) / (xx * zz - xz * xz) AS before, (zy * xx - xy * xz) / (xx * zz - xz * xz) AS bend,
           greatest(yy - before * xy - bend * zy, 0) AS left_over, mean_y - before * mean_x - bend * mean_z + before * knee AS level
    FROM sums WHERE xx * zz - xz * xz > 1e-9 * xx * zz
), best AS (
    SELECT range, knee, level, before, before + bend AS after, level / greatest(level - before * (knee - least), 1e-9) AS grown, most / knee AS beyond,
           (yy - xy * xy / xx - left_over) / 2 / nullif(left_over / (n - 4), 0) AS f
    FROM fits QUALIFY row_number() OVER (PARTITION BY range ORDER BY left_over, knee) = 1
), reached AS (
    SELECT range, min(timestamp) AS since FROM points JOIN best USING (range) WHERE x >= knee GROUP BY range
)
SELECT range, n, load_varied, throughput_varied, load_is, knee, level, since, before, after, grown, beyond, f
FROM chosen LEFT JOIN best USING (range) LEFT JOIN reached USING (range)
