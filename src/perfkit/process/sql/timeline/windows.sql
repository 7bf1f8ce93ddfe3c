-- The named windows that figures are taken over: the ranges, counted back from each machine's last instant, its runs and their phases.
-- Both ends are included: a range of 1 h at one sample a second has 3,600 samples, the last of which is the machine's last.
-- DuckDB and SQLite both run it.
SELECT s.machine, r.name AS range,
       CASE WHEN s.last_timestamp - r.milliseconds + 1 > s.first_timestamp THEN s.last_timestamp - r.milliseconds + 1 ELSE s.first_timestamp END
           AS from_timestamp,
       s.last_timestamp AS to_timestamp
FROM spans AS s CROSS JOIN ranges AS r
UNION ALL
SELECT machine, 'run:' || run || CASE WHEN phase IS NULL THEN '' ELSE ':' || phase END, from_timestamp, to_timestamp FROM runs
