-- network.csv: what each network interface carried between two samples.
--
-- Source: /proc/net/dev; man 5 proc_pid_net. Two header lines, then "name:" and, since the interface came up:
--   1 received bytes  2 packets  3 errors  4 drops  5 fifo  6 frame  7 compressed  8 multicast
--   9 sent bytes  10 packets  11 errors  12 drops  13 fifo  14 collisions  15 carrier  16 compressed
-- A counter that goes back means that the interface was reset: no rates.
WITH lines AS (
    SELECT source, timestamp, monotonic, unnest(lines_of(measurement)) AS line, device_of('/proc/net/dev', line) AS interface
    FROM raw
    WHERE subsystem = '/proc/net/dev'
), reads AS MATERIALIZED (
    -- Four fields a pattern: with more RE2 turns to a matcher that is many times slower.
    SELECT source, timestamp, monotonic, interface,
           try_cast(regexp_extract(line, '^ *[^ :]+: *(\d+) +(\d+) +(\d+) +(\d+)', ['bytes', 'packets', 'errors', 'drops'])
               AS STRUCT(bytes BIGINT, packets BIGINT, errors BIGINT, drops BIGINT)) AS rx,
           try_cast(regexp_extract(line, '^ *[^ :]+: *(?:\d+ +){8}(\d+) +(\d+) +(\d+) +(\d+)', ['bytes', 'packets', 'errors', 'drops'])
               AS STRUCT(bytes BIGINT, packets BIGINT, errors BIGINT, drops BIGINT)) AS tx
    FROM lines
    WHERE interface <> ''
), steps AS (
    SELECT source, timestamp, seconds_between(before.monotonic, now.monotonic, earlier, timestamp) AS seconds, now.interface, now.rx, now.tx,
           before.rx AS rx_before, before.tx AS tx_before
    FROM reads AS now
    JOIN steps_of('/proc/net/dev') USING (source, timestamp)
    LEFT JOIN reads AS before ON before.source = now.source AND before.timestamp = earlier AND before.interface = now.interface
), increase AS (
    SELECT source, timestamp, seconds, interface, rx.bytes - rx_before.bytes AS rx_bytes, tx.bytes - tx_before.bytes AS tx_bytes,
           rx.packets - rx_before.packets AS rx_packets, tx.packets - tx_before.packets AS tx_packets,
           rx.errors - rx_before.errors AS rx_errors, tx.errors - tx_before.errors AS tx_errors,
           rx.drops - rx_before.drops AS rx_drops, tx.drops - tx_before.drops AS tx_drops
    FROM steps
), paced AS (
    -- 1 / s, NULL where there is no rate: first sample, hot-plug, reset
    SELECT *, CASE WHEN seconds > 0 AND least(rx_bytes, tx_bytes, rx_packets, tx_packets) >= 0 THEN 1 / seconds END AS per_second
    FROM increase
)
SELECT paced.source, timestamp, interface,
       rx_bytes * per_second AS rx_bytes,          -- B/s received
       tx_bytes * per_second AS tx_bytes,          -- B/s sent
       rx_packets * per_second AS rx_packets,      -- packets/s received
       tx_packets * per_second AS tx_packets,      -- packets/s sent
       rate(rx_errors, 0, seconds) AS rx_errors,   -- errors/s while receiving
       rate(tx_errors, 0, seconds) AS tx_errors,   -- errors/s while sending
       rate(rx_drops, 0, seconds) AS rx_drops,     -- packets/s dropped on the way in
       rate(tx_drops, 0, seconds) AS tx_drops,     -- packets/s dropped on the way out
       in_total                                    -- 1: counted in the host's total
FROM paced
JOIN devices ON devices.kind = 'interface' AND devices.source = paced.source AND devices.device = paced.interface
