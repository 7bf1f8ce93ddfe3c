-- DuckDB: what the questions of a lake read, run_figures, over the rows that a database has stored.
CREATE TABLE told (
    site VARCHAR, machine VARCHAR, label VARCHAR, phase VARCHAR, began BIGINT, ended BIGINT, run VARCHAR, samples BIGINT, metric VARCHAR, avg DOUBLE
);
CREATE VIEW run_figures AS
SELECT * REPLACE (make_timestamptz(began * 1000) AS began, make_timestamptz(ended * 1000) AS ended) FROM told
