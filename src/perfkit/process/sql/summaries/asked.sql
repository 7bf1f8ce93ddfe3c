-- The windows that are judged: of the machine `number`, from and to (ms, both included), and how many samples they have (window_samples.sql).
CREATE OR REPLACE TEMP TABLE asked (number INTEGER, range VARCHAR, from_timestamp BIGINT, to_timestamp BIGINT, window_samples BIGINT)
