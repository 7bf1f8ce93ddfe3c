-- The lines of many machines, each as one collection: those that the next sample is computed from, then the new ones.
INSERT INTO raw
SELECT machine, machine AS file, NULL AS line, stamp, CASE WHEN monotonic BETWEEN 0 AND 1e10 THEN monotonic END, subsystem, measurement
FROM (
    SELECT unnest($machine::INTEGER[]) AS machine, unnest($stamp::BIGINT[]) AS stamp, unnest($monotonic::DOUBLE[]) AS monotonic,
           unnest($subsystem::VARCHAR[]) AS subsystem, unnest($measurement::VARCHAR[]) AS measurement
)
