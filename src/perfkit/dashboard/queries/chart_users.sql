SELECT timestamp, {name}, {sums}
FROM {table}
WHERE collector_id = :collector AND timestamp BETWEEN :from AND :to AND {name} LIKE :device
GROUP BY timestamp, {name}
ORDER BY timestamp, 3 DESC
