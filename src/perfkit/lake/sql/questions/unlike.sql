-- Machines unlike their peers: how far a metric's average in a run or phase is from the median of all machines that had one of that label.
-- The distance is the robust z of Iglewicz and Hoaglin (1993, "How to detect and handle outliers"): 0.6745 (x - median) / MAD; where more
-- than half of the machines are equal, MAD is 0 and the mean absolute deviation takes its place. From 3.5 on a machine is unlike.
WITH windows AS (
    SELECT site, machine, label AS run, coalesce(phase, '') AS phase, timestamp AS began, to_timestamp AS ended
    FROM runs
    WHERE ($label IS NULL OR label = $label OR phase = $label) AND ($start IS NULL OR to_timestamp >= make_timestamptz($start * 1000))
        AND ($end IS NULL OR timestamp <= make_timestamptz($end * 1000))
), figures AS (
    SELECT w.site, w.machine, w.run, w.phase, w.began, avg(COLUMNS($metrics))
    FROM windows AS w JOIN host AS h ON h.site = w.site AND h.machine = w.machine AND h.timestamp BETWEEN w.began AND w.ended
    GROUP BY ALL
), long AS (
    FROM figures UNPIVOT (value FOR metric IN (COLUMNS($metrics)))
), middles AS (
    SELECT site, run, phase, metric, median(value) AS middle, mad(value) AS spread, count(DISTINCT machine) AS machines
    FROM long
    GROUP BY ALL
), means AS (
    SELECT site, run, phase, metric, avg(abs(value - middle)) AS mean_spread FROM long JOIN middles USING (site, run, phase, metric) GROUP BY ALL
), judged AS (
    SELECT *, CASE WHEN spread > 0 THEN 0.6745 * (value - middle) / spread WHEN mean_spread > 0 THEN 0.7979 * (value - middle) / mean_spread END AS z
    FROM long JOIN middles USING (site, run, phase, metric) JOIN means USING (site, run, phase, metric)
    WHERE machines >= 5
)
SELECT site, machine, run AS label, phase, 'host.' || metric AS metric, value, middle AS peers, z, machines,
       site || '/' || machine || '@' || strftime(began AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') AS run
FROM judged
WHERE abs(z) >= 3.5
ORDER BY abs(z) DESC, site, machine, metric
LIMIT $top
