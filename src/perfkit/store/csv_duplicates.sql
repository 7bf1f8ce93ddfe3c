SELECT strftime(make_timestamp(timestamp * 1000), '%Y-%m-%dT%H:%M:%SZ')
FROM {name} GROUP BY timestamp{keys} HAVING count(*) > 1 ORDER BY timestamp LIMIT 1
