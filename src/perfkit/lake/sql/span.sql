-- The first and the last instant of a file (ms).
SELECT epoch_ms(min(timestamp)), epoch_ms(max(timestamp)) FROM read_parquet($file)
