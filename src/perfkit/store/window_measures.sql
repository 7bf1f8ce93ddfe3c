
    count({column}), min({column}), avg({column}), max({column}), stddev_samp({column}), quantile_cont({column}, [0.5, 0.9, 0.95, 0.99])
