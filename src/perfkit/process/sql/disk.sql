-- disk.csv: what each block device did between two samples.
--
-- Source: /proc/diskstats; Documentation/admin-guide/iostats.rst. A line is "major minor name" and then, since boot:
--   1 reads  2 reads merged  3 sectors read  4 ms reading  5 writes  6 writes merged  7 sectors written  8 ms writing
--   9 in flight  10 ms busy  11 ms weighted by the queue  12 discards  13 discards merged  14 sectors discarded  15 ms discarding
-- A sector is 512 bytes whatever the device. Fields 12 to 15 are there since Linux 4.18.
-- Fields 4, 8, 10, 11 and 15 (ms) are 32 bits wide and wrap; any other that goes back means that the device was reset: no rates.
WITH reads AS (
    FROM reads_of('/proc/diskstats')
), lines AS (
    SELECT source, timestamp, before, seconds, ltrim(unnest(string_split(measurement, chr(10)))) AS line FROM reads
), named AS (
    -- The name and what follows it: major and minor are padded with spaces, the rest is not.
    SELECT source, timestamp, before, seconds, ltrim(line[strpos(line, ' '):]) AS line FROM lines WHERE line <> ''
), fields AS (
    SELECT source, timestamp, before, seconds, string_split(ltrim(line[strpos(line, ' '):]), ' ') AS field FROM named
), counters AS (
    SELECT source, timestamp, before, seconds, field[1] AS device,
           whole(field[2]) AS reads, whole(field[4]) AS read_sectors, whole(field[5]) AS read_ms,
           whole(field[6]) AS writes, whole(field[8]) AS write_sectors, whole(field[9]) AS write_ms,
           whole(field[11]) AS busy_ms, whole(field[12]) AS queue_ms,
           whole(field[13]) AS discards, whole(field[15]) AS discard_sectors, whole(field[16]) AS discard_ms
    FROM fields
    WHERE len(field) >= 12
), increase AS (
    SELECT now.source, now.timestamp, now.device, now.seconds,
           now.reads - earlier.reads AS reads, now.read_sectors - earlier.read_sectors AS read_sectors,
           now.writes - earlier.writes AS writes, now.write_sectors - earlier.write_sectors AS write_sectors,
           now.discards - earlier.discards AS discards, now.discard_sectors - earlier.discard_sectors AS discard_sectors,
           ticks(now.read_ms, earlier.read_ms) AS read_ms, ticks(now.write_ms, earlier.write_ms) AS write_ms,
           ticks(now.discard_ms, earlier.discard_ms) AS discard_ms,
           ticks(now.busy_ms, earlier.busy_ms) AS busy_ms, ticks(now.queue_ms, earlier.queue_ms) AS queue_ms,
           -- 1 / s, NULL where there is no rate: first sample, hot-plug, reset
           CASE WHEN now.seconds > 0 AND least(now.reads - earlier.reads, now.read_sectors - earlier.read_sectors,
                                               now.writes - earlier.writes, now.write_sectors - earlier.write_sectors,
                                               now.discards - earlier.discards) >= 0
                THEN 1 / now.seconds END AS per_second
    FROM counters AS now
    LEFT JOIN counters AS earlier
           ON earlier.source = now.source AND earlier.timestamp = now.before AND earlier.device = now.device
)
SELECT source, timestamp, device,
       reads * per_second AS read_ops,                                     -- completed reads/s
       writes * per_second AS write_ops,                                   -- completed writes/s
       discards * per_second AS discard_ops,                               -- completed discards/s
       512 * read_sectors * per_second AS read_bytes,                      -- B/s
       512 * write_sectors * per_second AS write_bytes,                    -- B/s
       512 * discard_sectors * per_second AS discard_bytes,                -- B/s
       if(per_second > 0, read_ms / nullif(reads, 0), NULL) AS read_await_ms,     -- ms a read took, queueing included; empty without reads
       if(per_second > 0, write_ms / nullif(writes, 0), NULL) AS write_await_ms,  -- ms a write took
       if(per_second > 0, (read_ms + write_ms + coalesce(discard_ms, 0)) / nullif(reads + writes + coalesce(discards, 0), 0), NULL)
           AS await_ms,                                                    -- ms a request took
       queue_ms * per_second / 1000 AS queue_length,                       -- requests in flight, on average
       at_most(busy_ms * per_second / 10, 100) AS util_percent,              -- % of the time with at least one request in flight
       in_total                                                            -- 1: counted in the host's total
FROM increase
JOIN devices USING (source, device)
WHERE devices.kind = 'disk'
