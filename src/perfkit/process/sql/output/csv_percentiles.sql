-- percentiles.csv of one machine: the ranges in their order, then each run and its phases; within them the metrics as the tables list them.
COPY (
    SELECT neutral(range) AS range, metric, neutral(device) AS device, samples, min, avg, max, stddev, p50, p90, p95, p99
    FROM percentiles
    WHERE machine = $machine
    ORDER BY coalesce(list_position($ranges, range), 99), try_cast(split_part(range, ':', 2) AS INTEGER), contains(range[5:], ':'), from_timestamp, range,
             list_position($metrics, metric), try_cast(device AS INTEGER) NULLS FIRST, device
) TO $file (FORMAT csv, HEADER)
