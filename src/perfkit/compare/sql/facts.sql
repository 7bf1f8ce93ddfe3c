-- What rules read of one run besides its samples: {run} and {load} of rules.toml, both empty.
CREATE OR REPLACE TABLE run_facts (
    machine INTEGER, timestamp BIGINT, coverage DOUBLE, gaps INTEGER, clock_steps INTEGER, resets INTEGER, samples INTEGER, ended VARCHAR
);
CREATE OR REPLACE TABLE load_facts (machine INTEGER, timestamp BIGINT, run VARCHAR, requests DOUBLE, dropped DOUBLE, starved DOUBLE)
