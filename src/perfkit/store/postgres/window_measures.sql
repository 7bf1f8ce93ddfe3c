
    count({column}), min({column}), avg({column})::float8, max({column}), stddev_samp({column})::float8,
    percentile_cont(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY {column})
