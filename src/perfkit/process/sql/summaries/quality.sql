-- What a reader of the numbers has to know, one row per event:
--   gap          samples are missing between two neighbours of a recording (missed)
--   reboot       the machine booted again        clock_step   the wall clock was set (detail: by how much)
--   ended_early  a recording stopped with an error before its promised end (missed; detail: why)
--   overlap      two boots of one machine at the same time: its clock was behind, or two machines share one name
--   reset        counters of a device went back, so that it has no rate here
--   hot_plug     a device appeared after the first sample, or came back    unplug  it is gone from the sample after this
--   oom_kill     a process was killed for lack of memory (subject: which, or in which container or service; detail: the kernel's own words)
--   unusable     numbers that cannot be, from the first to the last time (missed: in how many samples; detail: what is wrong)
--   shared_stamp samples faster than their collector's stamps, spread evenly over each second (missed: the most in a second)
--   guessed_totals  which disks or interfaces count in the host's totals was decided by their names
--   too_many     devices of one kind that have no rows, because there are so many (missed: how many)
--   set_aside    lines of a stream that are in its collection alone (missed: how many): their time is far from the receiver's clock, or the
--                import cannot take them (receive/ledger.py; only in a database)
--   damaged      lines that could not be read (missed: how many; detail: where the first stood)
--   truncated    the file ends within a line     duplicate    lines that stood twice (missed: how many)
-- Instants are milliseconds since the epoch; what has none gets the machine's first and last. `subject` is the device, the counter or the file.
WITH spans AS (
    SELECT machine, min(timestamp) AS first_timestamp, max(timestamp) AS last_timestamp FROM samples GROUP BY machine
), steps AS (
    -- By the monotonic clock where there is one; else a stretch ends where the wall clock was set.
    SELECT machine, recording, lag(timestamp) OVER w AS from_timestamp, timestamp AS to_timestamp, stretch <> lag(stretch) OVER w AS broken,
           (timestamp - lag(timestamp) OVER w) / 1000 - (clock - lag(clock) OVER w) AS stepped, clock - lag(clock) OVER w AS seconds
    FROM samples WINDOW w AS (PARTITION BY machine, recording ORDER BY clock)
), boots AS (
    SELECT machine, recording, from_timestamp, to_timestamp, boot_id IS DISTINCT FROM lag(boot_id) OVER w AND lag(recording) OVER w IS NOT NULL AS rebooted,
           max(to_timestamp) OVER (PARTITION BY machine ORDER BY recording ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended_before
    FROM (SELECT *, coalesce(boot_id, identity) AS boot FROM recordings)
    WINDOW w AS (PARTITION BY machine ORDER BY recording)
), present AS (
    SELECT machine, timestamp, 'cpu ' || cpu AS subject, why FROM cpu
    UNION ALL SELECT machine, timestamp, 'disk ' || device, why FROM disk
    UNION ALL SELECT machine, timestamp, 'network ' || interface, why FROM network
), blanks AS (
    SELECT machine, timestamp, 'cpu ' || cpu AS subject, why FROM cpu WHERE idle IS NULL
    UNION ALL SELECT machine, timestamp, 'disk ' || device, why FROM disk WHERE read_ops IS NULL
    UNION ALL SELECT machine, timestamp, 'network ' || interface, why FROM network WHERE rx_bytes IS NULL
), starts AS (
    SELECT blanks.*, before, present.subject IS NOT NULL AS was_there
    FROM blanks JOIN samples USING (machine, timestamp)
    LEFT JOIN present ON present.machine = blanks.machine AND present.subject = blanks.subject AND present.timestamp = samples.before
), patchy AS (
    -- Devices that miss some sample; the rest need no closer look.
    SELECT machine, subject
    FROM (
        SELECT machine, 'cpu ' || cpu AS subject, count(*) AS seen FROM cpu GROUP BY machine, cpu
        UNION ALL SELECT machine, 'disk ' || device, count(*) FROM disk GROUP BY machine, device
        UNION ALL SELECT machine, 'network ' || interface, count(*) FROM network GROUP BY machine, interface
    ) JOIN (SELECT machine, count(*) AS samples FROM samples GROUP BY machine) USING (machine)
    WHERE seen < samples
), ends AS (
    -- Gone from the sample after, although its file was read there.
    SELECT last.machine, last.timestamp, next.timestamp AS after, last.subject
    FROM present AS last
    SEMI JOIN patchy ON patchy.machine = last.machine AND patchy.subject = last.subject
    JOIN samples AS next ON next.machine = last.machine AND next.before = last.timestamp
    JOIN raw ON raw.machine = next.machine AND raw.timestamp = next.timestamp AND raw.subsystem
        = CASE split_part(last.subject, ' ', 1) WHEN 'cpu' THEN '/proc/stat' WHEN 'disk' THEN '/proc/diskstats' ELSE '/proc/net/dev' END
    ANTI JOIN present AS there ON there.machine = last.machine AND there.subject = last.subject AND there.timestamp = next.timestamp
), unread AS (
    -- Lines that hold no JSON where there should be some. Those of containers and services are many: they are looked through where rows are missing.
    SELECT machine, timestamp, subsystem AS subject FROM raw
    WHERE starts_with(subsystem, 'perfkit/') AND NOT (starts_with(measurement, '{') AND if(subsystem = 'perfkit/mark', is_mark(measurement), json_valid(measurement)))
    UNION ALL
    SELECT machine, timestamp, 'filesystem' FROM (
        SELECT machine, timestamp, unnest(lines_of(measurement)) AS line FROM raw WHERE subsystem = 'statfs[*]'
    ) WHERE line <> '' AND CASE WHEN json_valid(line) THEN line ->> '$.mount_point' IS NULL ELSE true END
    UNION ALL
    SELECT machine, timestamp, subsystem FROM raw
    WHERE (starts_with(subsystem, 'container/') OR starts_with(subsystem, 'service/')) AND NOT is_flat_object(measurement) AND machine IN (
        SELECT machine FROM (
            SELECT machine, count(*) AS n FROM raw WHERE starts_with(subsystem, 'container/') OR starts_with(subsystem, 'service/') GROUP BY machine
        ) LEFT JOIN (
            SELECT machine, count(*) AS rows FROM (SELECT machine FROM containers UNION ALL SELECT machine FROM services) GROUP BY machine
        ) USING (machine) WHERE rows IS DISTINCT FROM n)
    UNION ALL
    SELECT machine, timestamp, subsystem FROM raw WHERE subsystem = 'processes' AND NOT is_whole_scan(measurement)
), limited AS (
    SELECT machine, timestamp, 'limits of cpu ' || cpu AS subject, 'cpu ' || cpu AS device FROM cpu_limits
    UNION ALL SELECT machine, timestamp, 'limits of ' || interface, 'network ' || interface FROM interface_limits
    UNION ALL SELECT machine, timestamp, 'limits', NULL FROM limits
), looked AS (
    -- A sample that lost all of its limits is known by the filesystems, or the collector's own line; but limits never twice within 0.75 s.
    SELECT machine, recording, clock, timestamp, count(subject) AS told
    FROM (
        FROM limited UNION ALL
        SELECT machine, timestamp, NULL, NULL FROM raw WHERE is_of_slow_sample(subsystem, measurement) AND machine IN (SELECT machine FROM limited)
    ) JOIN samples USING (machine, timestamp)
    GROUP BY machine, recording, clock, timestamp
    QUALIFY told > 0 OR clock - max(if(told > 0, clock, NULL)) OVER (PARTITION BY machine, recording ORDER BY clock) >= 0.75
), firsts AS (
    SELECT machine, recording, subject, any_value(device) AS device, min(clock) AS since
    FROM limited JOIN samples USING (machine, timestamp) GROUP BY machine, recording, subject
), fewer AS (
    -- There are fewer than have been seen by then.
    FROM looked
    ASOF JOIN (SELECT machine, recording, since, count(*) OVER (PARTITION BY machine, recording ORDER BY since) AS seen FROM firsts) AS f
        ON f.machine = looked.machine AND f.recording = looked.recording AND f.since <= looked.clock
    SELECT looked.* WHERE told < seen
), vanished AS (
    -- What had limits before, and is still there.
    SELECT fewer.machine, fewer.timestamp, firsts.subject
    FROM fewer JOIN firsts ON firsts.machine = fewer.machine AND firsts.recording = fewer.recording AND firsts.since < fewer.clock
    LEFT JOIN present ON present.machine = fewer.machine AND present.timestamp = fewer.timestamp AND present.subject = firsts.device
    ANTI JOIN limited ON limited.machine = fewer.machine AND limited.timestamp = fewer.timestamp AND limited.subject = firsts.subject
    WHERE firsts.device IS NULL OR present.subject IS NOT NULL
), unusable AS (
    SELECT machine, timestamp, subject, 'its lines are missing' AS why FROM vanished
    UNION ALL SELECT machine, timestamp, subject, 'its line cannot be read' AS why FROM unread
    UNION ALL SELECT machine, timestamp, subject, why FROM present WHERE why <> 'reset'
    UNION ALL SELECT machine, timestamp, 'memory', why FROM memory WHERE why IS NOT NULL
    UNION ALL SELECT machine, timestamp, 'system', why FROM system WHERE why IS NOT NULL
    UNION ALL SELECT machine, timestamp, 'tcp', why FROM tcp WHERE why IS NOT NULL
    UNION ALL SELECT machine, timestamp, 'filesystem ' || mount, why FROM filesystem WHERE why IS NOT NULL
    UNION ALL SELECT machine, timestamp, 'pressure ' || resource, why FROM pressure WHERE why <> 'reset'
    UNION ALL SELECT machine, timestamp, 'container ' || container_id, why FROM containers WHERE why <> 'reset'
    UNION ALL SELECT machine, timestamp, 'service ' || service, why FROM services WHERE why <> 'reset'
    UNION ALL SELECT machine, timestamp, if(pid = '0', 'all processes together', 'process ' || pid), why FROM processes WHERE why <> 'reset'
    UNION ALL SELECT machine, timestamp, 'limits of cpu ' || cpu, why FROM cpu_limits WHERE why <> 'reset'
    UNION ALL SELECT machine, timestamp, 'limits of ' || interface, why FROM interface_limits WHERE why <> 'reset'
    UNION ALL SELECT machine, timestamp, 'limits', why FROM limits WHERE why IS NOT NULL
), resets AS (
    SELECT machine, timestamp, 'pressure ' || resource AS subject FROM pressure WHERE why = 'reset'
    UNION ALL SELECT machine, timestamp, 'container ' || container_id FROM containers WHERE why = 'reset'
    UNION ALL SELECT machine, timestamp, 'service ' || service FROM services WHERE why = 'reset'
    UNION ALL SELECT machine, timestamp, 'process ' || pid FROM processes WHERE why = 'reset'
    UNION ALL SELECT machine, timestamp, 'limits of cpu ' || cpu FROM cpu_limits WHERE why = 'reset'
    UNION ALL SELECT machine, timestamp, 'limits of ' || interface FROM interface_limits WHERE why = 'reset'
), records AS (
    -- src/perfkit/collect/limits.py; Documentation/ABI/testing/dev-kmsg: priority, number, microseconds of the kernel's own clock; text
    SELECT machine, timestamp, monotonic, regexp_extract(unnest(string_split(measurement, chr(10))),
           '^\d+,\d+,(\d{1,17}),[^;]*;(.*Killed process (\d+) \((.*)\).*)', ['us', 'text', 'pid', 'name']) AS r
    FROM raw WHERE subsystem = '/dev/kmsg'
), victims AS (
    -- The kernel's clock drifts against the monotonic one: an instant is not trusted further than the ten samples in which it was read.
    SELECT k.machine, k.timestamp, greatest(k.timestamp - 10_000 * coalesce(s.period, 1), least(k.timestamp, k.timestamp
               - coalesce(1000 * (k.monotonic - k.r.us::DOUBLE / 1e6), 0)))::BIGINT AS killed_at, k.r.name || ' (process ' || k.r.pid || ')' AS subject, k.r.text
    FROM records AS k LEFT JOIN samples AS s USING (machine, timestamp) WHERE k.r.pid <> ''
), killed_within AS (
    SELECT machine, 'container ' || container_name AS subject, lag(timestamp) OVER w AS before, timestamp, oom_kills > lag(oom_kills) OVER w AS killed
    FROM containers WINDOW w AS (PARTITION BY machine, container_id ORDER BY timestamp)
    UNION ALL
    SELECT machine, 'service ' || service, lag(timestamp) OVER w, timestamp, oom_kills > lag(oom_kills) OVER w
    FROM services WINDOW w AS (PARTITION BY machine, service ORDER BY timestamp)
), killed AS (
    SELECT machine, killed_at AS from_timestamp, killed_at AS to_timestamp, subject, text FROM victims
    UNION ALL SELECT machine, before, timestamp, subject, NULL FROM killed_within WHERE killed
    UNION ALL
    SELECT machine, before, timestamp, '', 'the kernel''s log could not be read' FROM system JOIN samples USING (machine, timestamp)
    WHERE oom_kills > 0 AND machine NOT IN (SELECT machine FROM victims)
)
SELECT machine, 'gap' AS kind, from_timestamp, to_timestamp, '' AS subject, missed, NULL AS detail, recording FROM gaps
UNION ALL
SELECT machine, 'reboot', from_timestamp, from_timestamp, '', NULL, NULL, recording FROM boots WHERE rebooted
UNION ALL
SELECT machine, 'overlap', from_timestamp, to_timestamp, '', NULL, 'the clock was behind after a reboot, or two machines share this name', recording
FROM boots WHERE rebooted AND ended_before > from_timestamp
UNION ALL
SELECT machine, 'clock_step', from_timestamp, to_timestamp, '', NULL, if(broken, 'the wall clock was set', format('{:+.3f} s', stepped)), recording
FROM steps WHERE broken OR abs(stepped) > 0.25 + 0.001 * seconds
UNION ALL
SELECT machine, 'ended_early', last_timestamp, to_timestamp, '', greatest(floor(duration * 1000 / period_ms) - last_tick, 0)::BIGINT, ended, recording
FROM recordings WHERE starts_with(ended, 'error')
UNION ALL
SELECT machine, if(was_there, 'reset', 'hot_plug'), before, timestamp, subject, NULL, NULL, NULL FROM starts
WHERE before IS NOT NULL AND (NOT was_there OR why IS NULL OR why = 'reset')
UNION ALL
SELECT machine, 'reset', before, timestamp, subject, NULL, NULL, NULL FROM resets JOIN samples USING (machine, timestamp) WHERE before IS NOT NULL
UNION ALL
SELECT machine, 'unplug', timestamp, after, subject, NULL, NULL, NULL FROM ends
UNION ALL
SELECT machine, 'oom_kill', from_timestamp, to_timestamp, subject, NULL, text, NULL FROM killed
UNION ALL
SELECT machine, 'unusable', min(timestamp), max(timestamp), subject, count(DISTINCT timestamp), string_agg(DISTINCT why, '; ' ORDER BY why), NULL
FROM unusable LEFT JOIN live_after USING (machine) WHERE timestamp > coalesce(taken, -1) GROUP BY machine, subject
UNION ALL
SELECT machine, 'shared_stamp', first_timestamp, last_timestamp, '', most, 'their instants are estimates', NULL FROM shared_stamps JOIN spans USING (machine)
UNION ALL
SELECT machine, 'guessed_totals', first_timestamp, last_timestamp, kind, NULL, string_agg(device, ' ' ORDER BY device) FILTER (in_total = 1), NULL
FROM devices JOIN spans USING (machine) GROUP BY machine, kind, first_timestamp, last_timestamp HAVING NOT bool_and(told)
UNION ALL
SELECT machine, 'too_many', first_timestamp, last_timestamp, kind, count(*) FILTER (NOT kept),
       format('the first {:,} of them have rows', count(*) FILTER (kept)), NULL
FROM devices JOIN spans USING (machine) GROUP BY machine, kind, first_timestamp, last_timestamp HAVING NOT bool_and(kept)
UNION ALL
SELECT machine, 'damaged', first_timestamp, last_timestamp, name, unreadable, 'first in line ' || first_unreadable, NULL
FROM inputs JOIN spans USING (machine) WHERE unreadable > 0
UNION ALL
SELECT machine, 'truncated', last_timestamp, last_timestamp, name, NULL, NULL, NULL FROM inputs JOIN spans USING (machine) WHERE truncated
UNION ALL
SELECT machine, 'duplicate', first_timestamp, last_timestamp, '', lines, NULL, NULL FROM duplicates JOIN spans USING (machine) WHERE lines > 0
