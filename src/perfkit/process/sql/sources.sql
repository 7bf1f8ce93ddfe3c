-- One row per source: the machine, and how much of the time was recorded.
--   period_ms         between two samples: what the newest session promises, else the median distance
--   samples_expected  samples present, and those missing between the first and the last
--   coverage          % of the expected samples that are present
WITH newest AS (
    SELECT source, max_by(facts, timestamp) AS facts FROM sessions GROUP BY source
), spans AS (
    SELECT source, min(timestamp) AS first_timestamp, max(timestamp) AS last_timestamp, count(*) AS samples, median(step) AS typical,
           bool_or(timestamp % 1000 <> 0) AS milliseconds
    FROM (SELECT source, timestamp, timestamp - lag(timestamp) OVER (PARTITION BY source ORDER BY timestamp) AS step FROM samples)
    GROUP BY source
), missing AS (
    SELECT source, sum(missed) AS missed FROM gaps GROUP BY source
), totals AS (
    SELECT source, any_value(total_kb) AS total_kb FROM memory GROUP BY source
)
SELECT spans.source, facts ->> '$.hostname' AS hostname, facts ->> '$.machine_id' AS machine_id, facts ->> '$.os' AS operating_system,
       facts ->> '$.kernel' AS kernel, facts ->> '$.architecture' AS architecture, system_info ->> '$.model_name' AS cpu_model,
       coalesce(whole(facts ->> '$.cpus'), whole(system_info ->> '$.total_cpus')) AS cpus, total_kb / 1024 AS memory_mb,
       facts ->> '$.cloud_vendor' AS cloud_vendor, facts ->> '$.instance_type' AS instance_type, facts ->> '$.timezone' AS time_zone,
       system_info, facts AS session, coalesce(1000 * try_cast(facts ->> '$.frequency' AS DOUBLE), typical) AS period_ms,
       first_timestamp, last_timestamp, samples, samples + coalesce(missed, 0)::BIGINT AS samples_expected,
       100 * samples / samples_expected AS coverage, milliseconds
FROM spans
LEFT JOIN newest USING (source)
LEFT JOIN missing USING (source)
LEFT JOIN totals USING (source)
LEFT JOIN system_info USING (source)
