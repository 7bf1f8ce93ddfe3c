-- disk.csv: what each block device did between two samples.
--
-- Source: /proc/diskstats; Documentation/admin-guide/iostats.rst. A line is "major minor name" and then, since boot:
--   1 reads  2 reads merged  3 sectors read  4 ms reading  5 writes  6 writes merged  7 sectors written  8 ms writing
--   9 in flight  10 ms busy  11 ms weighted by the queue  12 discards  13 discards merged  14 sectors discarded  15 ms discarding
-- A sector is 512 bytes whatever the device. Fields 12 to 15 are there since Linux 4.18. A device is known by its numbers and its name.
-- Fields 4, 8, 10, 11 and 15 (ms) are 32 bits wide and wrap; where one goes back otherwise, the times of that interval are not known.
-- Any other that goes back means that the device was reset: no rates.
WITH lines AS (
    SELECT * EXCLUDE (measurement), unnest(lines_of(measurement)) AS line, head_of('/proc/diskstats', line) AS head FROM reads_of('/proc/diskstats')
), pairs AS (
    -- A line that did not change is an idle device's, and is not taken apart.
    SELECT machine, timestamp, head, line, if(lag(timestamp) OVER previous = earlier, lag(line) OVER previous, NULL) AS line_before,
           line IS NOT DISTINCT FROM line_before AS idle,
           seconds_between(lag(monotonic) OVER previous, monotonic, lag(timestamp) OVER previous, timestamp) AS seconds
    FROM lines
    WHERE head <> ''
    WINDOW previous AS (PARTITION BY machine, stretch, head ORDER BY clock)
), names AS MATERIALIZED (
    SELECT head, device_of('/proc/diskstats', head) AS device FROM (SELECT DISTINCT head FROM lines)
), fields AS (
    SELECT machine, timestamp, seconds, device, idle, line_before IS NOT NULL AS follows,
           if(idle, NULL, counters(line, head)) AS told, if(idle, NULL, counters(line_before, head)) AS told_before,
           -- A partition's line of Linux 2.6 has four counters: reads, sectors read, writes, sectors written.
           if(len(told) = 4, [told[1], NULL, told[2], NULL, told[3], NULL, told[4]], told) AS now,
           if(len(told_before) = 4, [told_before[1], NULL, told_before[2], NULL, told_before[3], NULL, told_before[4]], told_before) AS before
    FROM pairs JOIN names USING (head)
), increases AS (
    SELECT machine, timestamp, seconds, device, follows, idle OR len(now) >= 11 AS has_times, idle OR len(now) >= 14 AS has_discards,
           grown(idle, now, before, 1) AS reads, grown(idle, now, before, 3) AS read_sectors, wrapped(idle, now, before, 4) AS read_ms,
           grown(idle, now, before, 5) AS writes, grown(idle, now, before, 7) AS write_sectors, wrapped(idle, now, before, 8) AS write_ms,
           wrapped(idle, now, before, 10) AS busy_ms, wrapped(idle, now, before, 11) AS queue_ms,
           grown(idle, now, before, 12) AS discards, grown(idle, now, before, 14) AS discard_sectors, wrapped(idle, now, before, 15) AS discard_ms
    FROM fields
), paced AS (
    -- 1 / s, NULL where there is no rate: first sample, hot-plug, reset
    SELECT *, CASE WHEN seconds > 0 AND reads IS NOT NULL AND read_sectors IS NOT NULL AND writes IS NOT NULL AND write_sectors IS NOT NULL
                        AND (NOT has_discards OR (discards IS NOT NULL AND discard_sectors IS NOT NULL)) THEN 1 / seconds END AS per_second,
           read_ms IS NOT NULL AND write_ms IS NOT NULL AND busy_ms IS NOT NULL AND queue_ms IS NOT NULL AS timed
    FROM increases
)
SELECT paced.machine, timestamp, paced.device,
       reads * per_second AS read_ops,                                     -- completed reads/s
       writes * per_second AS write_ops,                                   -- completed writes/s
       if(counts_discards, discards * per_second, NULL) AS discard_ops,                               -- completed discards/s
       512 * read_sectors * per_second AS read_bytes,                      -- B/s
       512 * write_sectors * per_second AS write_bytes,                    -- B/s
       if(counts_discards, 512 * discard_sectors * per_second, NULL) AS discard_bytes,                -- B/s
       if(per_second > 0 AND timed, read_ms / nullif(reads, 0), NULL) AS read_await_ms,     -- ms a read took, queueing included; empty without reads
       if(per_second > 0 AND timed, write_ms / nullif(writes, 0), NULL) AS write_await_ms,  -- ms a write took
       if(per_second > 0 AND timed, (read_ms + write_ms + coalesce(discard_ms, 0)) / nullif(reads + writes + coalesce(discards, 0), 0), NULL)
           AS await_ms,                                                    -- ms a request took
       if(timed, queue_ms * per_second / 1000, NULL) AS queue_length,      -- requests in flight, on average
       if(timed, at_most(busy_ms * per_second / 10, 100), NULL) AS util_percent,  -- % of the time with at least one request in flight
       in_total,                                                           -- 1: counted in the host's total
       CASE WHEN NOT follows THEN NULL WHEN seconds > 0 AND per_second IS NULL THEN 'reset'
            WHEN per_second > 0 AND has_times AND NOT timed THEN 'the times of its requests went back' END AS why
FROM paced
JOIN devices ON devices.kept AND devices.kind = 'disk' AND devices.machine = paced.machine AND devices.device = paced.device
