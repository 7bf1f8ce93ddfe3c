-- What could have been asked for.
CREATE OR REPLACE TABLE run_names AS SELECT DISTINCT machine, coalesce(phase, label) AS name FROM runs;

-- The window that the user asked for, per machine; a machine without the phase keeps nothing.
CREATE OR REPLACE TABLE kept AS
WITH asked AS (
    -- A phase by its name or its run's label; of several the newest.
    SELECT machine, max_by(from_timestamp, from_timestamp) AS from_timestamp, max_by(to_timestamp, from_timestamp) AS to_timestamp
    FROM runs WHERE coalesce(phase, label) = $phase GROUP BY machine
)
SELECT samples.machine, greatest(coalesce($start, 0), coalesce(any_value(asked.from_timestamp), 0))::BIGINT AS from_timestamp,
       least(coalesce($end, $forever), coalesce(any_value(asked.to_timestamp), $forever))::BIGINT AS to_timestamp
FROM samples LEFT JOIN asked ON asked.machine = samples.machine
WHERE $phase IS NULL OR asked.machine IS NOT NULL
GROUP BY samples.machine
