-- One test on many machines: runs of one label that overlap on a site, the machine that is least like the others first.
-- A machine's distance is its largest robust z (robust_z.sql) among the length of its run and the averages of the host's metrics; it is not told
-- for a test of fewer than five machines. `says` is the metric that it is of.
WITH told AS (
    FROM run_figures
    WHERE phase = '' AND ($label IS NULL OR label = $label) AND ($start IS NULL OR ended >= make_timestamptz($start * 1000))
        AND ($end IS NULL OR began <= make_timestamptz($end * 1000))
), spans AS (
    SELECT DISTINCT site, label, machine, began, ended FROM told
), followed AS (
    SELECT *, max(ended) OVER (earlier ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM spans WINDOW earlier AS (PARTITION BY site, label ORDER BY began, ended, machine)
), numbered AS (
    SELECT *, sum((before IS NULL OR began > before)::INTEGER) OVER (earlier ROWS UNBOUNDED PRECEDING) AS test
    FROM followed WINDOW earlier AS (PARTITION BY site, label ORDER BY began, ended, machine)
), tests AS (
    SELECT site, label, test, min(began) AS test_began, count(DISTINCT machine) AS machines FROM numbered GROUP BY ALL HAVING machines > 1
), members AS (
    SELECT site, label, test, machine, min(began) AS began, max(ended) AS ended FROM numbered SEMI JOIN tests USING (site, label, test) GROUP BY ALL
), long AS (
    SELECT site, label, test, machine, metric, sum(avg * samples) / sum(samples) AS value
    FROM told JOIN numbered USING (site, label, machine, began, ended) SEMI JOIN tests USING (site, label, test)
    GROUP BY ALL
    UNION ALL
    SELECT site, label, test, machine, 'run_seconds', epoch(ended) - epoch(began) FROM members
), middles AS (
    SELECT site, label, test, metric, median(value) AS middle, mad(value) AS spread FROM long GROUP BY ALL
), means AS (
    SELECT site, label, test, metric, avg(abs(value - middle)) AS mean_spread FROM long JOIN middles USING (site, label, test, metric) GROUP BY ALL
), judged AS (
    SELECT *, if(machines < 5, NULL, robust_z(value, middle, spread, mean_spread)) AS z
    FROM long JOIN middles USING (site, label, test, metric) JOIN means USING (site, label, test, metric) JOIN tests USING (site, label, test)
), worst AS (
    FROM judged QUALIFY row_number() OVER (PARTITION BY site, label, test, machine ORDER BY abs(z) DESC NULLS LAST, metric) = 1
), named AS (
    SELECT site, label, machine, began, min(run) AS run FROM told GROUP BY ALL
)
SELECT site, label, test_began AS test, row_number() OVER (PARTITION BY site, label, test ORDER BY abs(z) DESC NULLS LAST, ended DESC, machine) AS place,
       machine, machines, epoch(ended) - epoch(began) AS seconds, z, metric AS says, value, middle AS peers, run
FROM worst JOIN members USING (site, label, test, machine) JOIN named USING (site, label, machine, began)
ORDER BY test_began DESC, site, label, place
LIMIT $top
