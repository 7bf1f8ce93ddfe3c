SELECT {device} AS device, {measures}
FROM {table}
WHERE collector_id = :collector_id AND timestamp BETWEEN :start AND :end
GROUP BY 1
ORDER BY 1
