-- The steady part of each phase by MSER-5 (White, Cobb and Spratt 2000, "A comparison of five steady-state truncation heuristics"),
-- applied at both ends: of all stretches of batches (means of five neighbouring samples) that keep at least half of the phase, the one
-- whose mean has the smallest squared standard error, sum of squared deviations / n^2. Where the best stretch is not longer than that
-- half, the phase is too short or has no steady part. DuckDB and SQLite both run it, on a table `series` (phase, timestamp ms, value).
WITH counted AS (
    SELECT phase, timestamp, value,
        row_number() OVER (PARTITION BY phase ORDER BY timestamp) - 1 AS place,
        count(*) OVER (PARTITION BY phase) AS samples
    FROM series
    WHERE value IS NOT NULL
), sized AS (  -- five samples a batch; a multiple of five where there would be more than 400 batches
    SELECT *, 5 * (1 + CAST((samples - samples % 2000) / 2000 AS BIGINT)) AS size FROM counted
), batches AS (
    SELECT phase, (place - place % size) / size AS batch, min(timestamp) AS from_timestamp, max(timestamp) AS to_timestamp, avg(value) AS mean
    FROM sized
    GROUP BY phase, batch, size
    HAVING count(*) = size
), sums AS (
    SELECT phase, batch, from_timestamp, to_timestamp, mean,
        sum(mean) OVER in_order AS total,
        sum(mean * mean) OVER in_order AS squares,
        count(*) OVER (PARTITION BY phase) AS batches
    FROM batches
    WINDOW in_order AS (PARTITION BY phase ORDER BY batch)
), stretches AS (
    SELECT a.phase, a.from_timestamp, b.to_timestamp, a.batches,
        b.batch - a.batch + 1 AS n,
        b.total - a.total + a.mean AS total,
        b.squares - a.squares + a.mean * a.mean AS squares
    FROM sums a JOIN sums b ON b.phase = a.phase AND 2 * (b.batch - a.batch + 1) >= a.batches
    WHERE a.batches >= 8
), judged AS (
    SELECT *, row_number() OVER (PARTITION BY phase ORDER BY (squares - total * total / n) / (n * n), n DESC, from_timestamp) AS place FROM stretches
)
SELECT phase, from_timestamp, to_timestamp, total / n AS mean, 100.0 * n / batches AS kept_percent
FROM judged
WHERE place = 1 AND 2 * (n - 1) >= batches
ORDER BY from_timestamp, phase
