-- What was `measured`, under each name of its window.
INSERT INTO percentiles
SELECT machine, range, metric, device, from_timestamp, to_timestamp, samples, p[1], mean, p[6], stddev, p[2], p[3], p[4], p[5]
FROM (SELECT *, least_to_most AS p FROM measured) JOIN distinct_windows USING (span) JOIN windows USING (machine, from_timestamp, to_timestamp)
