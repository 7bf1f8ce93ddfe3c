-- How many samples each window of `asked` has: a table without rows of idle processes does not tell.
UPDATE asked SET window_samples = (SELECT count(*) FROM host WHERE machine = number AND timestamp BETWEEN from_timestamp AND to_timestamp)
