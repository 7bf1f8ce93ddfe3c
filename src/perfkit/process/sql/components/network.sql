-- network.csv: what each network interface carried between two samples.
--
-- Source: /proc/net/dev; man 5 proc_pid_net. Two header lines, then "name:" and, since the interface came up:
--   1 received bytes  2 packets  3 errors  4 drops  5 fifo  6 frame  7 compressed  8 multicast
--   9 sent bytes  10 packets  11 errors  12 drops  13 fifo  14 collisions  15 carrier  16 compressed
-- A counter that goes back means that the interface was reset: no rates.
WITH lines AS (
    SELECT * EXCLUDE (measurement), unnest(lines_of(measurement)) AS line, head_of('/proc/net/dev', line) AS head FROM reads_of('/proc/net/dev')
), names AS MATERIALIZED (
    SELECT head, device_of('/proc/net/dev', head) AS interface FROM (SELECT DISTINCT head FROM lines)
), reads AS MATERIALIZED (
    -- Four fields a pattern, from the text's first character on: else RE2 turns to a matcher that is many times slower.
    SELECT machine, timestamp, stretch, monotonic, clock, earlier, interface,
           try_cast(regexp_extract(substr(line, length(head) + 1), '^ *(\d+) +(\d+) +(\d+) +(\d+)', ['bytes', 'packets', 'errors', 'drops'])
               AS STRUCT(bytes DOUBLE, packets DOUBLE, errors DOUBLE, drops DOUBLE)) AS rx,
           try_cast(regexp_extract(substr(line, length(head) + 1), '^ *(?:\d+ +){8}(\d+) +(\d+) +(\d+) +(\d+)', ['bytes', 'packets', 'errors', 'drops'])
               AS STRUCT(bytes DOUBLE, packets DOUBLE, errors DOUBLE, drops DOUBLE)) AS tx
    FROM lines JOIN names USING (head)
    WHERE interface <> ''
), steps AS (
    SELECT machine, timestamp, interface, rx, tx, lag(timestamp) OVER previous = earlier AS follows,
           seconds_between(lag(monotonic) OVER previous, monotonic, lag(timestamp) OVER previous, timestamp) AS seconds,
           if(lag(timestamp) OVER previous = earlier, lag(rx) OVER previous, NULL) AS rx_before,
           if(lag(timestamp) OVER previous = earlier, lag(tx) OVER previous, NULL) AS tx_before
    FROM reads
    WINDOW previous AS (PARTITION BY machine, stretch, interface ORDER BY clock)
), increases AS (
    SELECT machine, timestamp, seconds, interface, follows, rx.bytes + tx.bytes + rx_before.bytes + tx_before.bytes IS NOT NULL AS known,
           increase(rx.bytes, rx_before.bytes) AS rx_bytes, increase(tx.bytes, tx_before.bytes) AS tx_bytes,
           increase(rx.packets, rx_before.packets) AS rx_packets, increase(tx.packets, tx_before.packets) AS tx_packets,
           increase(rx.errors, rx_before.errors) AS rx_errors, increase(tx.errors, tx_before.errors) AS tx_errors,
           increase(rx.drops, rx_before.drops) AS rx_drops, increase(tx.drops, tx_before.drops) AS tx_drops
    FROM steps
), paced AS (
    -- 1 / s, NULL where there is no rate: first sample, hot-plug, reset
    SELECT *, CASE WHEN seconds > 0 AND rx_bytes IS NOT NULL AND tx_bytes IS NOT NULL AND rx_packets IS NOT NULL AND tx_packets IS NOT NULL
                   THEN 1 / seconds END AS per_second
    FROM increases
)
SELECT paced.machine, timestamp, interface,
       rx_bytes * per_second AS rx_bytes,          -- B/s received
       tx_bytes * per_second AS tx_bytes,          -- B/s sent
       rx_packets * per_second AS rx_packets,      -- packets/s received
       tx_packets * per_second AS tx_packets,      -- packets/s sent
       if(seconds > 0, rx_errors / seconds, NULL) AS rx_errors,   -- errors/s while receiving
       if(seconds > 0, tx_errors / seconds, NULL) AS tx_errors,   -- errors/s while sending
       if(seconds > 0, rx_drops / seconds, NULL) AS rx_drops,     -- packets/s dropped on the way in
       if(seconds > 0, tx_drops / seconds, NULL) AS tx_drops,     -- packets/s dropped on the way out
       in_total,                                   -- 1: counted in the host's total
       speed_mbit,                                 -- Mbit/s of the link, from the session; empty where its driver does not tell (most virtual ones)
       100 * 8 * if(shared_link, rx_bytes + tx_bytes, greatest(rx_bytes, tx_bytes)) * per_second / (speed_mbit * 1e6) AS util_percent,  -- % of it
       CASE WHEN follows AND seconds > 0 AND per_second IS NULL THEN if(known, 'reset', 'its line is not understood') END AS why
FROM paced
JOIN devices ON devices.kept AND devices.kind = 'interface' AND devices.machine = paced.machine AND devices.device = paced.interface
