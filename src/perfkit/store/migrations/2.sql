-- From version 2: recordings and their samples, and CPU busy as a column.

-- What was imported tells the recordings; inputs that overlap are one.
INSERT INTO recordings (collector_id, recording, identity, from_timestamp, to_timestamp, last_timestamp, period_ms)
WITH known AS (
    SELECT collector_id, first_timestamp, last_timestamp, max(last_timestamp) OVER (
        PARTITION BY collector_id ORDER BY first_timestamp, last_timestamp ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS reached
    FROM collections WHERE first_timestamp IS NOT NULL
), placed AS (
    SELECT *, sum(reached IS NULL OR reached < first_timestamp) OVER (PARTITION BY collector_id ORDER BY first_timestamp, last_timestamp) AS recording
    FROM known
)
SELECT collector_id, recording, 'first sample ' || min(first_timestamp), min(first_timestamp), max(placed.last_timestamp), max(placed.last_timestamp),
       (SELECT period_ms FROM collectors WHERE id = collector_id)
FROM placed GROUP BY collector_id, recording;

-- A collection's first sample has no rates, and so stands in memory_metrics alone.
INSERT INTO samples (collector_id, timestamp, recording, tick)
WITH instants AS (
    SELECT collector_id, timestamp FROM host_metrics UNION SELECT collector_id, timestamp FROM memory_metrics
), stepped AS (
    SELECT i.collector_id, i.timestamp, r.recording, coalesce(r.period_ms, 1000) AS period,
           i.timestamp - lag(i.timestamp) OVER (PARTITION BY i.collector_id, r.recording ORDER BY i.timestamp) AS step
    FROM instants AS i
    JOIN recordings AS r ON r.collector_id = i.collector_id AND i.timestamp BETWEEN r.from_timestamp AND r.to_timestamp
)
SELECT collector_id, timestamp, recording,
       sum(CASE WHEN step IS NULL THEN 0 WHEN step > 1.5 * period THEN CAST(round(step / period) AS INTEGER) ELSE 1 END)
           OVER (PARTITION BY collector_id, recording ORDER BY timestamp)
FROM stepped;

UPDATE recordings AS r SET (samples, last_tick) = (
    SELECT count(*), coalesce(max(tick), 0) FROM samples AS s WHERE s.collector_id = r.collector_id AND s.recording = r.recording
);

UPDATE collectors SET samples = (SELECT coalesce(sum(samples), 0) FROM recordings WHERE collector_id = collectors.id);

-- The windows of ranges and phases were others: what is not stored is computed when it is asked for.
DELETE FROM percentiles WHERE range <> 'all';

-- CPU busy: neither idle nor waiting for I/O. Buckets whose samples were pruned have its mean alone.
UPDATE host_metrics SET cpu_busy = max(100 - cpu_idle - cpu_iowait, 0);
UPDATE cpu_metrics SET busy = max(100 - idle - iowait, 0);
UPDATE host_metrics_10s AS r SET cpu_busy_avg = max(100 - cpu_idle_avg - cpu_iowait_avg, 0), (cpu_busy_min, cpu_busy_max) = (
    SELECT min(cpu_busy), max(cpu_busy) FROM host_metrics AS m
    WHERE m.collector_id = r.collector_id AND m.timestamp >= r.timestamp AND m.timestamp < r.timestamp + 10000
);
UPDATE cpu_metrics_10s AS r SET busy_avg = max(100 - idle_avg - iowait_avg, 0), (busy_min, busy_max) = (
    SELECT min(busy), max(busy) FROM cpu_metrics AS m
    WHERE m.collector_id = r.collector_id AND m.cpu = r.cpu AND m.timestamp >= r.timestamp AND m.timestamp < r.timestamp + 10000
);
UPDATE host_metrics_1m AS r SET cpu_busy_avg = max(100 - cpu_idle_avg - cpu_iowait_avg, 0), (cpu_busy_min, cpu_busy_max) = (
    SELECT min(cpu_busy), max(cpu_busy) FROM host_metrics AS m
    WHERE m.collector_id = r.collector_id AND m.timestamp >= r.timestamp AND m.timestamp < r.timestamp + 60000
);
UPDATE cpu_metrics_1m AS r SET busy_avg = max(100 - idle_avg - iowait_avg, 0), (busy_min, busy_max) = (
    SELECT min(busy), max(busy) FROM cpu_metrics AS m
    WHERE m.collector_id = r.collector_id AND m.cpu = r.cpu AND m.timestamp >= r.timestamp AND m.timestamp < r.timestamp + 60000
);
UPDATE host_metrics_10m AS r SET cpu_busy_avg = max(100 - cpu_idle_avg - cpu_iowait_avg, 0), (cpu_busy_min, cpu_busy_max) = (
    SELECT min(cpu_busy), max(cpu_busy) FROM host_metrics AS m
    WHERE m.collector_id = r.collector_id AND m.timestamp >= r.timestamp AND m.timestamp < r.timestamp + 600000
);
UPDATE cpu_metrics_10m AS r SET busy_avg = max(100 - idle_avg - iowait_avg, 0), (busy_min, busy_max) = (
    SELECT min(busy), max(busy) FROM cpu_metrics AS m
    WHERE m.collector_id = r.collector_id AND m.cpu = r.cpu AND m.timestamp >= r.timestamp AND m.timestamp < r.timestamp + 600000
);
