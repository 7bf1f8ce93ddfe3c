-- Machines unlike their peers: how far a metric's average in a run or phase is from the median of all machines that had one of that label.
-- The distance is robust_z.sql; five machines are the fewest that are judged, and from 3.5 on a machine is unlike.
WITH told AS (
    FROM run_figures
    WHERE ($label IS NULL OR label = $label OR phase = $label) AND ($start IS NULL OR ended >= make_timestamptz($start * 1000))
        AND ($end IS NULL OR began <= make_timestamptz($end * 1000))
), middles AS (
    SELECT site, label, phase, metric, median(avg) AS middle, mad(avg) AS spread, count(DISTINCT machine) AS machines FROM told GROUP BY ALL
), means AS (
    SELECT site, label, phase, metric, avg(abs(avg - middle)) AS mean_spread FROM told JOIN middles USING (site, label, phase, metric) GROUP BY ALL
), judged AS (
    SELECT *, robust_z(avg, middle, spread, mean_spread) AS z
    FROM told JOIN middles USING (site, label, phase, metric) JOIN means USING (site, label, phase, metric)
    WHERE machines >= 5
)
SELECT site, machine, label, phase, metric, avg AS value, middle AS peers, z, machines, run
FROM judged
WHERE abs(z) >= 3.5
ORDER BY abs(z) DESC, site, machine, metric
LIMIT $top
