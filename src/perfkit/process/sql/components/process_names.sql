-- process_names.csv: who each process is: a row when it is seen first, and when it takes another name.
--
-- Source: the lines 'perfkit/process' (src/perfkit/collect/processes.py). The command line is cut to 200 bytes, and what may be a secret in it was
-- masked on the machine itself. `service` is the container, the pod, the unit or the user's slice that the cgroup belongs to.
WITH who AS (
    SELECT machine, timestamp, about ->> '$.pid' AS pid, about ->> '$.start' AS start, about ->> '$.parent' AS parent, about ->> '$.name' AS name,
           coalesce(about ->> '$.kernel' = 'true', false) AS is_kernel, coalesce(about ->> '$.cgroup', '') AS cgroup, about ->> '$.uid' AS uid,
           about ->> '$.executable' AS executable, about ->> '$.cmdline' AS cmdline
    FROM (SELECT machine, timestamp, measurement::JSON AS about FROM raw WHERE subsystem = 'perfkit/process' AND json_valid(measurement))
)
SELECT w.machine, w.timestamp, w.pid, coalesce(w.name, '') AS command,
       CASE WHEN w.is_kernel THEN ''
            WHEN regexp_matches(w.cgroup, '[0-9a-f]{64}') THEN coalesce(c.container_name, regexp_extract(w.cgroup, '[0-9a-f]{64}')[:12])
            WHEN regexp_matches(w.cgroup, '/user-\d+\.slice') THEN regexp_extract(w.cgroup, '/(user-\d+\.slice)', 1)
            WHEN regexp_matches(w.cgroup, '/lxc(\.payload)?[./]') THEN regexp_extract(w.cgroup, '/lxc(?:\.payload)?[./]([^/]+)', 1)
            ELSE regexp_extract(w.cgroup, '/([^/]+\.(?:service|scope))(?:/|$)', 1) END AS service,  -- '' where it belongs to none
       coalesce(w.executable, '') AS executable,  -- '' of a kernel thread, and where this user may not read the link /proc/PID/exe
       coalesce(w.cmdline, '') AS cmdline,        -- '' with --no-cmdline
       whole(w.parent) AS parent,                 -- process id
       whole(w.uid) AS uid,                       -- user id
       w.start, w.is_kernel                       -- for processes.sql
FROM who AS w
LEFT JOIN (SELECT machine, container_id, max_by(container_name, timestamp) AS container_name FROM containers GROUP BY ALL) AS c
       ON c.machine = w.machine AND c.container_id = regexp_extract(w.cgroup, '[0-9a-f]{64}')
WHERE w.pid <> ''
QUALIFY row_number() OVER (PARTITION BY w.machine, w.timestamp, w.pid ORDER BY try_cast(w.start AS BIGINT) DESC) = 1
