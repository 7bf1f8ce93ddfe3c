-- What judged.sql reads. SQLite runs it.
-- A row per figure of a pair of arms that is compared, numbered from 0. `part` names whose part of the error rate it has, which is `weight`, together
-- with all others of that part; `percent` is its quantile, empty for a mean; `worse` is 1 where more is worse, -1 where less is, 0 where neither is;
-- `forbidden` is why it may not be judged, or ''.
CREATE TEMP TABLE compared (pair INTEGER PRIMARY KEY, percent INTEGER, part TEXT, weight REAL, worse INTEGER, forbidden TEXT);
-- Each run of both sides of it (side 0 is the baseline), as store/duckdb/estimates.sql made it.
CREATE TEMP TABLE figures (pair INTEGER, side INTEGER, value REAL, low REAL, high REAL, spread REAL, n INTEGER, n_effective REAL);
