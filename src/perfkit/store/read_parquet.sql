CREATE OR REPLACE TABLE {name} AS
SELECT $source::INTEGER AS source, epoch_ms("timestamp"::TIMESTAMPTZ) AS timestamp, {columns}
FROM read_parquet($path)
