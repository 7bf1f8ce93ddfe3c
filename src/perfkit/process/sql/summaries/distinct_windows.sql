-- Windows that are the same span of time are computed once, into `measured`, and written under each of their names (percentiles_named.sql).
CREATE OR REPLACE TABLE distinct_windows AS
SELECT row_number() OVER () AS span, * FROM (SELECT DISTINCT machine, from_timestamp, to_timestamp FROM windows);
CREATE OR REPLACE TABLE measured (
    span BIGINT, metric VARCHAR, device VARCHAR, samples BIGINT, mean DOUBLE, stddev DOUBLE, least_to_most DOUBLE[]
)
