UPDATE collectors
SET first_timestamp = min(coalesce(first_timestamp, :first), :first),
    last_timestamp = max(coalesce(last_timestamp, :last), :last),
    samples = samples + :new
WHERE id = :id
