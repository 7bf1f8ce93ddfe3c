SELECT DISTINCT {column} FROM read_csv($path, header = true, all_varchar = true) ORDER BY 1
