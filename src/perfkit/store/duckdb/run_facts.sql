-- What rules of comparisons read of runs besides their samples, all empty: {run} and {load} of rules.toml, and the columns of `used`.
CREATE OR REPLACE TABLE run_facts (
    machine INTEGER, timestamp BIGINT, coverage DOUBLE, gaps INTEGER, clock_steps INTEGER, resets INTEGER, samples INTEGER, ended VARCHAR, collector VARCHAR
);
CREATE OR REPLACE TABLE load_facts (machine INTEGER, timestamp BIGINT, run VARCHAR, requests DOUBLE, dropped DOUBLE, starved DOUBLE)
