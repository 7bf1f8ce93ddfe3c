-- Of each machine the newest sample (ms) that was taken before.
CREATE OR REPLACE TABLE live_after AS SELECT unnest($machines::INTEGER[]) AS machine, unnest($instants::BIGINT[]) AS taken
