SELECT count(*) FROM {name} WHERE timestamp IS NULL
