-- One row per machine: what it is, and how much of its recordings is there.
--   period_ms         between two samples of the newest recording   samples  those that count (timeline/samples.sql)
--   milliseconds      whether its instants have fractions of a second
--   totals            'known' where a session told which disks and interfaces count in the host's totals, 'by name' where names decided
WITH newest AS (
    SELECT machine, max_by(facts, place) AS facts FROM sessions GROUP BY machine
), spans AS (
    SELECT machine, min(timestamp) AS first_timestamp, max(timestamp) AS last_timestamp, count(*) FILTER (counted) AS samples, max_by(period, timestamp) AS period,
           max(lateness_ms) AS largest_lateness_ms, bool_or(timestamp % 1000 <> 0) AS milliseconds
    FROM samples
    GROUP BY machine
), totals AS (
    SELECT machine, any_value(total_kb) AS total_kb FROM memory GROUP BY machine
), counted AS (
    SELECT machine, nullif(count(DISTINCT cpu) - 1, 0) AS cpus FROM (SELECT machine, cpu FROM cpu SEMI JOIN spans ON spans.machine = cpu.machine AND cpu.timestamp = last_timestamp)
    GROUP BY machine
), names AS (
    SELECT machine, if(bool_and(told), 'known', 'by name') AS totals FROM devices GROUP BY machine
)
SELECT spans.machine, facts ->> '$.hostname' AS hostname, facts ->> '$.machine_id' AS machine_id, facts ->> '$.os' AS operating_system,
       facts ->> '$.kernel' AS kernel, facts ->> '$.architecture' AS architecture, system_info ->> '$.model_name' AS cpu_model,
       coalesce(nullif(whole(facts ->> '$.cpus'), 0), whole(system_info ->> '$.total_cpus'), counted.cpus) AS cpus, total_kb / 1024 AS memory_mb,
       facts ->> '$.cloud_vendor' AS cloud_vendor, facts ->> '$.instance_type' AS instance_type, facts ->> '$.timezone' AS time_zone,
       system_info, facts AS session, 1000 * spans.period AS period_ms, first_timestamp, last_timestamp, samples,
       largest_lateness_ms, milliseconds, names.totals
FROM spans
LEFT JOIN newest USING (machine)
LEFT JOIN totals USING (machine)
LEFT JOIN counted USING (machine)
LEFT JOIN names USING (machine)
LEFT JOIN system_info USING (machine)
