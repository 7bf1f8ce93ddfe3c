-- locust --csv NAME: NAME_stats_history.csv, a row a second for all requests together (and with --csv-full-history for each).
CREATE TEMP TABLE history AS
SELECT * FROM read_csv($file, header = true, delim = ',', quote = '"', escape = '"', all_varchar = true, null_padding = true, strict_mode = false, parallel = false);
