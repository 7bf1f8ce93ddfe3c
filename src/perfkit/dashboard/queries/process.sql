-- The processes of one command in a window, what used most CPU first: who each is (the newest that is known), and what it used. Averages are over
-- all samples whose processes are known.
WITH used AS (
    SELECT * FROM process_metrics WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end AND command = :command
), samples AS (
    SELECT count(*) AS n FROM process_metrics WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end AND pid = '0'
), processes AS (
    SELECT pid, service, sum(cpu_percent) AS cpu, max(cpu_percent) AS cpu_peak, sum(wait_percent) AS wait, max(rss_bytes) AS memory,
           max(threads) AS threads, sum(read_bytes) AS read, sum(write_bytes) AS written, min(timestamp) AS first, max(timestamp) AS last
    FROM used GROUP BY pid, service
), names AS (
    SELECT *, row_number() OVER (PARTITION BY pid ORDER BY timestamp DESC) AS age FROM process_names
    WHERE collector_id = :collector AND command = :command AND timestamp <= :end
)
SELECT p.pid, p.service, cmdline, executable, parent, uid, cpu / n AS cpu_avg, cpu_peak, wait / n AS wait_avg, memory, threads, read / n AS read_avg,
       written / n AS written_avg, first, last
FROM processes AS p CROSS JOIN samples LEFT JOIN names ON names.pid = p.pid AND age = 1
WHERE n > 0
ORDER BY cpu_avg DESC, p.pid
LIMIT :most
