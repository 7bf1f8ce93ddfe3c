UPDATE collectors
SET first_timestamp = LEAST(first_timestamp, :first), last_timestamp = GREATEST(last_timestamp, :last), samples = samples + :new
WHERE id = :id
