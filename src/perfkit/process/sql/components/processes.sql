-- processes.csv: who used the machine. In every sample a row for each process that ran, one for all kernel threads, and one for what is left.
--
-- Source: the lines 'processes' (src/perfkit/collect/processes.py says what stands in them; man 5 proc_pid_stat, proc_pid_io;
-- Documentation/scheduler/sched-stats.rst) and the table process_names, which says who a process is.
-- A process without a row in a sample did nothing. One that is read less often than samples are taken has its average in each sample
-- since it was read before; its memory and threads only where they were read. A new process starts from 0.
--
-- What a process's children used, and were too short-lived to be seen, is booked to it: the growth of cutime and cstime without what those of its
-- children had used that were seen and have ended. `(not attributed)` is the rest of the CPU time of the host (all but idle and waiting for I/O),
-- so that the rows of a sample add up to it: interrupts, steal, and processes that came and went unseen. It may be a little below 0: the kernel
-- counts a process's time in ticks of 10 ms. Far below it is unknown.
WITH scans AS MATERIALIZED (
    SELECT machine, stretch, timestamp, clock, monotonic, string_split(measurement, chr(10)) AS told, try_cast(split_part(measurement, ' ', 2) AS BIGINT) AS scan,
           NOT is_whole_scan(measurement) AS damaged
    FROM raw JOIN samples USING (machine, timestamp)
    WHERE subsystem = 'processes' AND regexp_matches(measurement, '^scan \d{1,15} ')
), numbered AS MATERIALIZED (
    -- Where `run` changes a scan is missing, or one is damaged: what it lacks was looked at then, but nobody knows what it said.
    SELECT * EXCLUDE (told, damaged), scan - row_number() OVER by_scan - sum(damaged::INTEGER) OVER by_scan AS run
    FROM scans WINDOW by_scan AS (PARTITION BY machine, stretch ORDER BY scan)
), fields AS (
    SELECT machine, stretch, scan, string_split(unnest(told[2:]), ' ') AS f FROM scans
), told AS MATERIALIZED (
    SELECT machine, stretch, scan, f[1] AS pid, f[2] AS start, starts_with(f[3], '+') AS is_new, whole(ltrim(f[3], '+')) AS ago,
           -- 1 minor faults  2 major faults  3 user  4 system  5 user and 6 system of children that ended (ticks)  9 threads  10 resident pages
           if(len(f) = 20, try_cast(f[5:14] AS DOUBLE[]), NULL) AS now, try_cast(f[17] AS DOUBLE) AS waited, try_cast(f[19] AS DOUBLE) AS read, try_cast(f[20] AS DOUBLE) AS written,
           list_transform(f[5:10] || f[13:14] || [nullif(f[17], '-'), nullif(f[19], '-'), nullif(f[20], '-')], lambda token: is_garbage(token)) AS garbage,
           len(f) <> 20 AS is_cut
    FROM fields WHERE whole(f[1]) IS NOT NULL AND whole(f[2]) IS NOT NULL  -- else nobody knows whose it is
), steps AS (
    SELECT *, if(is_new, [0, 0, 0, 0, 0, 0], lag(now) OVER w) AS before, lag(scan) OVER w AS scan_before, if(is_new, 0, lag(waited) OVER w) AS waited_before,
           if(is_new, 0, lag(read) OVER w) AS read_before, if(is_new, 0, lag(written) OVER w) AS written_before,
           now[1] < before[1] OR now[2] < before[2] OR now[3] < before[3] OR now[4] < before[4] OR waited < waited_before OR read < read_before
           OR written < written_before AS fell
    FROM told
    WINDOW w AS (PARTITION BY machine, stretch, pid, start ORDER BY scan)
), timed AS (
    -- From the scan before in which the process was looked at, whether its numbers had changed or not.
    SELECT s.*, n.timestamp, ticks_per_second(hz) AS hz, if(page_size BETWEEN 512 AND 1e9, page_size, 4096) AS page_size, m.cpus, coalesce(since.scan, earlier.scan) AS since,
           seconds_between(coalesce(since.monotonic, earlier.monotonic), n.monotonic, coalesce(since.timestamp, earlier.timestamp), n.timestamp) AS seconds
    FROM steps AS s
    JOIN numbered AS n ON n.machine = s.machine AND n.stretch = s.stretch AND n.scan = s.scan
    LEFT JOIN numbered AS earlier ON earlier.machine = s.machine AND earlier.stretch = s.stretch AND earlier.scan = s.scan_before
    LEFT JOIN numbered AS since ON since.machine = s.machine AND since.stretch = s.stretch AND since.scan = s.scan - s.ago AND s.ago > 0
                               AND since.run = coalesce(earlier.run, n.run) AND since.run = n.run
    LEFT JOIN (SELECT machine, any_value(try_cast(facts ->> '$.hz' AS DOUBLE)) AS hz, any_value(try_cast(facts ->> '$.page_size' AS DOUBLE)) AS page_size
               FROM sessions GROUP BY machine) AS f ON f.machine = s.machine
    LEFT JOIN cores AS m ON m.machine = s.machine
), ended AS (
    -- What the children that ended had used: booked to the parent's first line from then on.
    SELECT g.machine, g.stretch, w.parent AS pid, g.scan, l.now[3] + l.now[5] AS user, l.now[4] + l.now[6] AS system
    FROM (SELECT machine, stretch, scan, f[2] AS pid, f[3] AS start FROM fields WHERE len(f) = 3 AND f[1] = 'gone') AS g
    JOIN (SELECT machine, stretch, pid, start, max_by(now, scan) AS now FROM told GROUP BY ALL) AS l USING (machine, stretch, pid, start)
    JOIN (SELECT machine, pid, start, any_value(parent)::VARCHAR AS parent FROM process_names GROUP BY ALL) AS w ON w.machine = g.machine AND w.pid = g.pid AND w.start = g.start
), seen AS (
    SELECT machine, stretch, pid, scan, sum(user) AS user, sum(system) AS system
    FROM (SELECT e.machine, e.stretch, e.pid, s.scan, e.user, e.system FROM ended AS e
          ASOF JOIN told AS s ON s.machine = e.machine AND s.stretch = e.stretch AND s.pid = e.pid AND e.scan <= s.scan)
    GROUP BY ALL
), counted AS (
    SELECT t.*, increase(now[3], before[3]) AS user, increase(now[4], before[4]) AS system,
           sum(coalesce(increase(now[5], before[5]), 0) - coalesce(seen.user, 0)) OVER w AS user_balance,
           sum(coalesce(increase(now[6], before[6]), 0) - coalesce(seen.system, 0)) OVER w AS system_balance
    FROM timed AS t LEFT JOIN seen ON seen.machine = t.machine AND seen.stretch = t.stretch AND seen.pid = t.pid AND seen.scan = t.scan
    WINDOW w AS (PARTITION BY t.machine, t.stretch, t.pid, t.start ORDER BY t.scan)
), unseen AS (
    -- Children are seen to end before or after their parent's numbers grow: only what the balance gains beyond all before was never seen.
    SELECT *, at_least(max(user_balance) OVER upto, 0) - coalesce(at_least(max(user_balance) OVER before_it, 0), 0) AS user_unseen,
           at_least(max(system_balance) OVER upto, 0) - coalesce(at_least(max(system_balance) OVER before_it, 0), 0) AS system_unseen
    FROM counted
    WINDOW upto AS (PARTITION BY machine, stretch, pid, start ORDER BY scan),
           before_it AS (PARTITION BY machine, stretch, pid, start ORDER BY scan ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), covered AS MATERIALIZED (
    -- The scan that tells of each sample: its own, or the next where samples come faster than scans.
    SELECT s.machine, s.timestamp, n.stretch, n.scan, n.timestamp AS read_at
    FROM samples AS s ASOF JOIN numbered AS n ON n.machine = s.machine AND n.stretch = s.stretch AND s.clock <= n.clock
), used AS MATERIALIZED (
    SELECT c.machine, c.timestamp, u.pid, u.start, u.timestamp AS read_at, c.timestamp = u.timestamp AS is_read, u.seconds IS NOT NULL AS is_known,
           if(u.seconds > 0, share_of_cores(100 * u.user / u.hz / u.seconds, u.cpus, u.seconds), NULL) AS user_percent,
           if(u.seconds > 0, share_of_cores(100 * u.system / u.hz / u.seconds, u.cpus, u.seconds), NULL) AS system_percent,
           CASE WHEN u.seconds > 0 AND (is_beyond(100 * u.user / u.hz / u.seconds, u.cpus, u.seconds) OR is_beyond(100 * u.system / u.hz / u.seconds, u.cpus, u.seconds))
                THEN 'CPU time moves faster than the clock'
                WHEN u.seconds > 0 AND increase(u.waited, u.waited_before) / u.seconds / 1e7 > 400 THEN 'it waits longer than the clock says'
                WHEN u.is_cut THEN 'its line cannot be read'
                WHEN list_bool_or(u.garbage) THEN 'a field is no number that can be'
                WHEN u.fell THEN 'reset' END AS why,
           if(u.seconds > 0, 100 * u.user_unseen / u.hz / u.seconds, 0) AS user_unseen, if(u.seconds > 0, 100 * u.system_unseen / u.hz / u.seconds, 0) AS system_unseen,
           share_of_time(rate(u.waited, u.waited_before, u.seconds) / 1e7) AS wait_percent,
           if(is_read, whole_bytes(u.now[10] * u.page_size), NULL) AS rss_bytes, if(is_read, whole_bytes(u.now[9]), NULL) AS threads,
           rate(u.now[1], u.before[1], u.seconds) AS minor_faults, rate(u.now[2], u.before[2], u.seconds) AS major_faults,
           rate(u.read, u.read_before, u.seconds) AS read_bytes, rate(u.written, u.written_before, u.seconds) AS write_bytes
    FROM (SELECT *, unnest(CASE WHEN since IS NULL OR scan - since > 1000 THEN [scan] ELSE generate_series(since + 1, scan) END) AS part FROM unseen) AS u
    JOIN covered AS c ON c.machine = u.machine AND c.stretch = u.stretch AND c.scan = u.part
), host AS (
    -- % of one core
    SELECT machine, timestamp, max(busy) FILTER (cpu = 'all') * greatest(count(*) - 1, 1) AS busy
    FROM cpu JOIN covered USING (machine, timestamp)
    GROUP BY machine, timestamp
), sums AS (
    SELECT machine, timestamp, busy, coalesce(sum(user_percent + system_percent ORDER BY pid, start), 0) AS own,
           coalesce(sum(user_unseen + system_unseen ORDER BY pid, start), 0) AS unseen,
           -- Children that were seen to use more than they did in this recording (orphans, whose time is booked to init) cannot exceed what is left.
           CASE WHEN unseen > 0 THEN at_least(at_most((busy - own) / unseen, 1), 0) ELSE 0 END AS share
    FROM host LEFT JOIN used USING (machine, timestamp)
    GROUP BY machine, timestamp, busy
), full_rows AS (
    SELECT u.*, user_percent + coalesce(user_unseen * share, 0) AS user_all, system_percent + coalesce(system_unseen * share, 0) AS system_all
    FROM used AS u LEFT JOIN sums USING (machine, timestamp)
), known AS (
    SELECT r.*, coalesce(n.command, '') AS command, coalesce(n.service, '') AS service, coalesce(n.is_kernel, false) AS is_kernel
    FROM full_rows AS r ASOF LEFT JOIN process_names AS n ON n.machine = r.machine AND n.pid = r.pid AND n.start = r.start AND n.timestamp <= r.read_at
    QUALIFY row_number() OVER (PARTITION BY r.machine, r.timestamp, r.pid ORDER BY whole(r.start) DESC NULLS LAST) = 1  -- of two that had a pid, the newer
)
SELECT machine, timestamp, pid, command, service,
       user_all + system_all AS cpu_percent,  -- %, 100 is one core; children that were never seen inside
       user_all AS user_percent,              -- %, 100 is one core
       system_all AS system_percent,          -- %, 100 is one core
       wait_percent,                          -- % of the time: the main thread could run and had to wait for a CPU
       rss_bytes,                             -- B, resident
       threads,
       minor_faults,                          -- 1/s
       major_faults,                          -- 1/s
       read_bytes,                            -- B/s from disks; empty where the collector may not read /proc/PID/io
       write_bytes,                           -- B/s to disks
       why
FROM known WHERE NOT is_kernel
UNION ALL
SELECT machine, timestamp, '2', '(kernel threads)', '', if(unknown, NULL, user + system), if(unknown, NULL, user), if(unknown, NULL, system), NULL, NULL, NULL, NULL, NULL, NULL, NULL, why
FROM (
    SELECT machine, timestamp, sum(user_all ORDER BY pid) AS user, sum(system_all ORDER BY pid) AS system, max(why) FILTER (why <> 'reset') AS why,
           bool_or(why <> 'reset' AND user_all IS NULL) AS unknown
    FROM known WHERE is_kernel AND is_known GROUP BY machine, timestamp
)
UNION ALL
SELECT sums.machine, sums.timestamp, '0', '(not attributed)', '', if(busy - own - unseen * share < -25, NULL, busy - own - unseen * share), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       if(busy - own - unseen * share < -25, 'processes used more than the host', NULL)
FROM sums JOIN covered USING (machine, timestamp)
JOIN numbered AS n ON n.machine = covered.machine AND n.stretch = covered.stretch AND n.scan = covered.scan - 1  -- the first scan tells no difference
WHERE busy IS NOT NULL
