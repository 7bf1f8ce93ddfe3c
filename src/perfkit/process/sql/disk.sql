-- disk.csv: what each block device did between two samples.
--
-- Source: /proc/diskstats; Documentation/admin-guide/iostats.rst. A line is "major minor name" and then, since boot:
--   1 reads  2 reads merged  3 sectors read  4 ms reading  5 writes  6 writes merged  7 sectors written  8 ms writing
--   9 in flight  10 ms busy  11 ms weighted by the queue  12 discards  13 discards merged  14 sectors discarded  15 ms discarding
-- A sector is 512 bytes whatever the device. Fields 12 to 15 are there since Linux 4.18. A device is known by its numbers and its name.
-- Fields 4, 8, 10, 11 and 15 (ms) are 32 bits wide and wrap; any other that goes back means that the device was reset: no rates.
WITH steps AS (
    SELECT source, timestamp, seconds_between(before.monotonic, now.monotonic, earlier, timestamp) AS seconds,
           unnest(lines_of(now.measurement)) AS line, generate_subscripts(lines_of(now.measurement), 1) AS place,
           unnest(lines_of(before.measurement)) AS same_place, before.measurement AS text_before
    FROM (FROM raw WHERE subsystem = '/proc/diskstats') AS now
    JOIN steps_of('/proc/diskstats') USING (source, timestamp)
    LEFT JOIN (FROM raw WHERE subsystem = '/proc/diskstats') AS before ON before.source = now.source AND before.timestamp = earlier
), named AS (
    SELECT source, timestamp, seconds, steps.line, same_place, text_before,
           if(starts_with(steps.line, places.head), places.head, head_of('/proc/diskstats', steps.line)) AS head,
           if(starts_with(steps.line, places.head), device, device_of('/proc/diskstats', steps.line)) AS device
    FROM steps LEFT JOIN (FROM places WHERE subsystem = '/proc/diskstats') AS places USING (source, place)
), pairs AS (
    -- Lines of both reads stand at the same place unless a device came or went; then number and name find the earlier one.
    -- A line that did not change at all is an idle device's, and is not taken apart.
    SELECT source, timestamp, seconds, device, head, line IS NOT DISTINCT FROM same_place AS idle, CASE WHEN NOT idle THEN line END AS line,
           CASE WHEN idle THEN NULL WHEN starts_with(same_place, head) THEN same_place
                ELSE list_filter(lines_of(text_before), lambda l: starts_with(l, head))[1] END AS line_before
    FROM named
    WHERE device <> ''
), fields AS (
    SELECT source, timestamp, seconds, device, idle, counters(line, head) AS now, counters(line_before, head) AS before
    FROM pairs
), increase AS (
    SELECT source, timestamp, seconds, device,
           grown(idle, now, before, 1) AS reads, grown(idle, now, before, 3) AS read_sectors, wrapped(idle, now, before, 4) AS read_ms,
           grown(idle, now, before, 5) AS writes, grown(idle, now, before, 7) AS write_sectors, wrapped(idle, now, before, 8) AS write_ms,
           wrapped(idle, now, before, 10) AS busy_ms, wrapped(idle, now, before, 11) AS queue_ms,
           grown(idle, now, before, 12) AS discards, grown(idle, now, before, 14) AS discard_sectors, wrapped(idle, now, before, 15) AS discard_ms
    FROM fields
), paced AS (
    -- 1 / s, NULL where there is no rate: first sample, hot-plug, reset
    SELECT *, CASE WHEN seconds > 0 AND least(reads, read_sectors, writes, write_sectors, discards, discard_sectors) >= 0
                   THEN 1 / seconds END AS per_second
    FROM increase
)
SELECT source, timestamp, device,
       reads * per_second AS read_ops,                                     -- completed reads/s
       writes * per_second AS write_ops,                                   -- completed writes/s
       if(counts_discards, discards * per_second, NULL) AS discard_ops,                               -- completed discards/s
       512 * read_sectors * per_second AS read_bytes,                      -- B/s
       512 * write_sectors * per_second AS write_bytes,                    -- B/s
       if(counts_discards, 512 * discard_sectors * per_second, NULL) AS discard_bytes,                -- B/s
       if(per_second > 0, read_ms / nullif(reads, 0), NULL) AS read_await_ms,     -- ms a read took, queueing included; empty without reads
       if(per_second > 0, write_ms / nullif(writes, 0), NULL) AS write_await_ms,  -- ms a write took
       if(per_second > 0, (read_ms + write_ms + coalesce(discard_ms, 0)) / nullif(reads + writes + coalesce(discards, 0), 0), NULL)
           AS await_ms,                                                    -- ms a request took
       queue_ms * per_second / 1000 AS queue_length,                       -- requests in flight, on average
       at_most(busy_ms * per_second / 10, 100) AS util_percent,              -- % of the time with at least one request in flight
       in_total                                                            -- 1: counted in the host's total
FROM paced
JOIN devices USING (source, device)
WHERE devices.kind = 'disk'
