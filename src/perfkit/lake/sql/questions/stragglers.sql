-- One test on many machines: runs of one label that overlap on a site, the machine that is least like the others first.
-- A machine's distance is its largest robust z (unlike.sql) among the length of its run and the averages of the host's metrics; it is not told
-- for a test of fewer than five machines. `says` is the metric that it is of.
WITH told AS (
    SELECT site, machine, label, timestamp AS began, to_timestamp AS ended
    FROM runs
    WHERE phase IS NULL AND ($label IS NULL OR label = $label) AND ($start IS NULL OR to_timestamp >= make_timestamptz($start * 1000))
        AND ($end IS NULL OR timestamp <= make_timestamptz($end * 1000))
), followed AS (
    SELECT *, max(ended) OVER (PARTITION BY site, label ORDER BY began ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM told
), numbered AS (
    SELECT *, sum((before IS NULL OR began > before)::INTEGER) OVER (PARTITION BY site, label ORDER BY began ROWS UNBOUNDED PRECEDING) AS test
    FROM followed
), members AS (
    SELECT site, label, test, machine, min(began) AS began, max(ended) AS ended FROM numbered GROUP BY ALL
), tests AS (
    SELECT site, label, test, min(began) AS test_began, count(*) AS machines FROM members GROUP BY ALL HAVING count(*) > 1
), figures AS (
    SELECT m.site, m.label, m.test, m.machine, m.began, m.ended, avg(COLUMNS($metrics)), epoch(m.ended) - epoch(m.began) AS run_seconds
    FROM members AS m
    SEMI JOIN tests USING (site, label, test)
    JOIN host AS h ON h.site = m.site AND h.machine = m.machine AND h.timestamp BETWEEN m.began AND m.ended
    GROUP BY ALL
), long AS (
    FROM figures UNPIVOT (value FOR metric IN (COLUMNS(list_append($metrics, 'run_seconds'))))
), middles AS (
    SELECT site, label, test, metric, median(value) AS middle, mad(value) AS spread FROM long GROUP BY ALL
), means AS (
    SELECT site, label, test, metric, avg(abs(value - middle)) AS mean_spread FROM long JOIN middles USING (site, label, test, metric) GROUP BY ALL
), judged AS (
    SELECT *, CASE WHEN machines < 5 THEN NULL WHEN spread > 0 THEN 0.6745 * (value - middle) / spread
                   WHEN mean_spread > 0 THEN 0.7979 * (value - middle) / mean_spread ELSE 0 END AS z
    FROM long JOIN middles USING (site, label, test, metric) JOIN means USING (site, label, test, metric) JOIN tests USING (site, label, test)
), worst AS (
    FROM judged QUALIFY row_number() OVER (PARTITION BY site, label, test, machine ORDER BY abs(z) DESC NULLS LAST, metric) = 1
)
SELECT site, label, test_began AS test, row_number() OVER (PARTITION BY site, label, test ORDER BY abs(z) DESC NULLS LAST, ended DESC, machine) AS place,
       machine, machines, epoch(ended) - epoch(began) AS seconds, z, if(metric = 'run_seconds', metric, 'host.' || metric) AS says, value, middle AS peers,
       site || '/' || machine || '@' || strftime(began AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') AS run
FROM worst
ORDER BY test_began DESC, site, label, place
LIMIT $top
