-- limits.csv: what the kernel allows so many of, and how many there are, in the first and every tenth sample.
--
-- Sources: limits: /proc/sys/fs/file-nr (1 allocated  3 the most; Documentation/admin-guide/sysctl/fs.rst), /proc/sys/kernel/pid_max and threads-max
-- (sysctl/kernel.rst), /proc/sys/net/netfilter/nf_conntrack_count and nf_conntrack_max (networking/nf_conntrack-sysctl.rst);
-- adjtimex(2), the numbers of "adjtimex": 1 offset (us; ns where 4 has 0x2000)  2 maxerror (us)  3 esterror (us)  4 status, 0x40: nobody sets the clock;
-- "receiver": 1 how far the receiver's clock is ahead (us)  2 by how much that may be wrong (us), from the answers to a collector that streams;
-- /proc/loadavg: the fourth field is RUNNING/TASKS.
WITH told AS (
    SELECT machine, timestamp, max(numbers[1]) FILTER (path = '/proc/sys/fs/file-nr') AS files, max(numbers[3]) FILTER (path = '/proc/sys/fs/file-nr') AS files_most,
           min(numbers[1]) FILTER (path IN ('/proc/sys/kernel/pid_max', '/proc/sys/kernel/threads-max')) AS least_tasks,
           count(*) FILTER (path IN ('/proc/sys/kernel/pid_max', '/proc/sys/kernel/threads-max')) AS of_tasks,
           if(of_tasks < max(of_tasks) OVER earlier, NULL, least_tasks) AS tasks_most,  -- of two, one may be missing
           count(*) < max(count(*)) OVER earlier AS missing,
           max(numbers[1]) FILTER (path = '/proc/sys/net/netfilter/nf_conntrack_count') AS tracked,
           max(numbers[1]) FILTER (path = '/proc/sys/net/netfilter/nf_conntrack_max') AS tracked_most,
           bool_or(sane(numbers[if(path IN ('adjtimex', 'receiver'), 2, 1)]) IS NULL OR (path = '/proc/sys/fs/file-nr' AND sane(numbers[3]) IS NULL)
                   OR (path IN ('adjtimex', 'receiver') AND coalesce(abs(numbers[1]) >= 1e15, true))
                   OR (path = 'adjtimex' AND (len(numbers) <> 4 OR numbers[4] NOT BETWEEN 0 AND 65535))) AS garbage,
           max(numbers) FILTER (path = 'adjtimex' AND len(numbers) = 4 AND abs(numbers[1]) < 1e15 AND numbers[4] BETWEEN 0 AND 65535 AND try_cast(numbers[4] AS INTEGER) & 64 = 0) AS clock,
           max(numbers) FILTER (path = 'receiver' AND abs(numbers[1]) < 1e15 AND sane(numbers[2]) < 1e15) AS receiver
    FROM limit_rows() WHERE starts_with(path, '/proc/sys/') OR path IN ('adjtimex', 'receiver')
    GROUP BY machine, stretch, timestamp
    WINDOW earlier AS (PARTITION BY machine, stretch ORDER BY min(clock))
), load AS (
    SELECT machine, timestamp, nullif(whole(regexp_extract(measurement, '^\S+ \S+ \S+ \d+/(\d+) ', 1)), 0) AS tasks FROM raw WHERE subsystem = '/proc/loadavg'
)
SELECT machine, timestamp,
       whole_bytes(files) AS open_files,                                    -- files, of all processes
       whole_bytes(files_most) AS open_files_max,                           -- files, fs.file-max; empty where it is practically none
       part_of(100 * sane(files) / nullif(sane(files_most), 0), 100) AS open_files_percent,
       tasks,                                                               -- processes and threads
       whole_bytes(tasks_most) AS tasks_max,                                -- the smaller of kernel.pid_max and kernel.threads-max
       part_of(100 * tasks / nullif(sane(tasks_most), 0), 100) AS tasks_percent,
       whole_bytes(tracked) AS connections,                                 -- connections that the firewall follows
       whole_bytes(tracked_most) AS connections_max,                        -- net.netfilter.nf_conntrack_max
       part_of(100 * sane(tracked) / nullif(sane(tracked_most), 0), 100) AS connections_percent,
       sane(clock[2]) / 1000 AS clock_error_ms,                             -- ms that the clock may be wrong at most; empty where nobody sets it
       clock[1] / if(try_cast(clock[4] AS INTEGER) & 8192 > 0, 1e6, 1e3) AS clock_offset_ms,  -- ms by which it is being corrected
       receiver[1] / 1e3 AS receiver_ahead_ms,                              -- ms that the receiver's clock is ahead of this machine's
       receiver[2] / 1e3 AS receiver_within_ms,                             -- ms by which that may be wrong: half of a round trip
       CASE WHEN garbage THEN 'a number cannot be'
            WHEN missing THEN 'a number is missing'
            WHEN sane(files) > sane(files_most) OR tasks > sane(tasks_most) OR sane(tracked) > sane(tracked_most) THEN 'there are more than there may be' END AS why
FROM told LEFT JOIN load USING (machine, timestamp)
