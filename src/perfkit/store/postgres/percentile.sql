INSERT INTO percentiles VALUES (:collector_id, :range, :metric, :device, :since, :until, :samples, :min, :avg, :max, :stddev, :p50, :p90, :p95, :p99)
