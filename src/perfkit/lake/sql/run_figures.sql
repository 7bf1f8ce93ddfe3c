-- The averages of the host's metrics in each run and phase (`phase` is '' for the run itself), a row per metric; `run` names it.
CREATE OR REPLACE VIEW run_figures AS
WITH wide AS (
    SELECT r.site, r.machine, r.label, coalesce(r.phase, '') AS phase, r.timestamp AS began, r.to_timestamp AS ended,
           r.site || '/' || r.machine || '@' || strftime(r.timestamp AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') AS run, count(*) AS samples,
           {averages}
    FROM runs AS r JOIN host AS h ON h.site = r.site AND h.machine = r.machine AND h.timestamp BETWEEN r.timestamp AND r.to_timestamp
    GROUP BY ALL
)
FROM wide UNPIVOT (avg FOR metric IN ({metrics}))
