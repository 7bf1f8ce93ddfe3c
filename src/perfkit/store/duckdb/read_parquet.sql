CREATE OR REPLACE TABLE {name} AS
SELECT 1 AS machine, epoch_ms("timestamp"::TIMESTAMPTZ) AS timestamp, {columns}
FROM read_parquet($path)
