-- percentiles.csv as `process` writes it. A text that would be a formula in a spreadsheet has an apostrophe in front there.
SELECT if(regexp_matches(range, '^''[-=+@]'), range[2:], range), metric, coalesce(if(regexp_matches(device, '^''[-=+@]'), device[2:], device), ''), COLUMNS($figures)
FROM read_csv($path, header = true, auto_detect = false, nullstr = '', quote = '"', escape = '"', delim = ',', columns = {
    'range': 'VARCHAR', 'metric': 'VARCHAR', 'device': 'VARCHAR', 'samples': 'BIGINT', 'min': 'DOUBLE', 'avg': 'DOUBLE', 'max': 'DOUBLE',
    'stddev': 'DOUBLE', 'p50': 'DOUBLE', 'p90': 'DOUBLE', 'p95': 'DOUBLE', 'p99': 'DOUBLE'})
