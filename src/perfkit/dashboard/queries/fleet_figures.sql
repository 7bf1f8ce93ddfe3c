-- What is stored of the host in one run or phase: the samples and the average of each of its metrics.
SELECT metric, samples, avg FROM percentiles
WHERE collector_id = :collector AND range = :range AND metric >= 'host.' AND metric < 'host/' AND from_timestamp = :from AND to_timestamp = :to
