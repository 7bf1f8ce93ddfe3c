-- Who used the machine in a window: a row for each command of each service, what used most CPU first. Averages are over all samples whose
-- processes are known; `memory` is that of its largest process.
WITH used AS (
    SELECT * FROM process_metrics WHERE collector_id = :collector AND timestamp BETWEEN :start AND :end
), moments AS (
    SELECT command, service, timestamp, sum(cpu_percent) AS cpu, sum(wait_percent) AS wait, sum(read_bytes) AS read, sum(write_bytes) AS written
    FROM used GROUP BY command, service, timestamp
), samples AS (
    SELECT count(*) AS n FROM used WHERE pid = '0'
)
SELECT command, service, sum(cpu) / n AS cpu_avg, max(cpu) AS cpu_peak, sum(wait) / n AS wait_avg, sum(read) / n AS read_avg, sum(written) / n AS written_avg,
       processes, memory, n AS samples
FROM moments
JOIN (SELECT command, service, count(DISTINCT pid) AS processes, max(rss_bytes) AS memory FROM used GROUP BY command, service) USING (command, service)
CROSS JOIN samples
WHERE n > 0
GROUP BY command, service
ORDER BY cpu_avg DESC, memory DESC, command, service
LIMIT :most
