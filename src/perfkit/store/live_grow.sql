UPDATE collectors
SET first_timestamp = min(coalesce(first_timestamp, :first), :first),
    last_timestamp = max(coalesce(last_timestamp, :last), :last),
    samples = samples + (SELECT count(*) FROM host_metrics WHERE collector_id = :id AND timestamp > :known AND timestamp BETWEEN :first AND :last)
WHERE id = :id
