-- percentiles.csv of one source: the ranges in their order, then the phases; within them the metrics as the tables list them.
COPY (
    SELECT neutral(range) AS range, metric, neutral(device) AS device, samples, min, avg, max, stddev, p50, p90, p95, p99
    FROM percentiles
    WHERE source = $source
    ORDER BY coalesce(list_position($ranges, range), 99), range, list_position($metrics, metric), try_cast(device AS INTEGER) NULLS FIRST, device
) TO $file (FORMAT csv, HEADER)
