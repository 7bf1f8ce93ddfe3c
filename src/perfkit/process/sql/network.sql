-- network.csv: what each network interface carried between two samples.
--
-- Source: /proc/net/dev; man 5 proc_pid_net. Two header lines, then "name:" and, since the interface came up:
--   1 received bytes  2 packets  3 errors  4 drops  5 fifo  6 frame  7 compressed  8 multicast
--   9 sent bytes  10 packets  11 errors  12 drops  13 fifo  14 collisions  15 carrier  16 compressed
-- A counter that goes back means that the interface was reset: no rates.
WITH lines AS (
    SELECT source, timestamp, seconds, unnest(lines_of(text)) AS line, unnest(lines_of(earlier)) AS earlier, earlier AS earlier_text
    FROM pairs_of('/proc/net/dev')
), found AS (
    -- Lines of both samples stand at the same place unless an interface came or went; then the name finds the earlier one.
    -- A line that did not change at all is an idle interface's, and is not taken apart.
    SELECT source, timestamp, seconds, line, line IS NOT DISTINCT FROM earlier AS idle, left(ltrim(line), strpos(ltrim(line), ':')) AS name,
           CASE WHEN idle THEN NULL WHEN starts_with(ltrim(earlier), name) THEN earlier
                ELSE list_filter(lines_of(earlier_text), lambda l: starts_with(ltrim(l), name))[1] END AS before
    FROM lines
    WHERE contains(line, ':')
), fields AS (
    -- Four fields a pattern: with more RE2 turns to a matcher that is many times slower.
    SELECT *, regexp_extract(CASE WHEN NOT idle THEN line END, '^ *[^ :]+: *(\d+) +(\d+) +(\d+) +(\d+)', ['bytes', 'packets', 'errors', 'drops']) AS rx,
           regexp_extract(CASE WHEN NOT idle THEN line END, '^ *[^ :]+: *(?:\d+ +){8}(\d+) +(\d+) +(\d+) +(\d+)', ['bytes', 'packets', 'errors', 'drops']) AS tx,
           regexp_extract(before, '^ *[^ :]+: *(\d+) +(\d+) +(\d+) +(\d+)', ['bytes', 'packets', 'errors', 'drops']) AS rx_before,
           regexp_extract(before, '^ *[^ :]+: *(?:\d+ +){8}(\d+) +(\d+) +(\d+) +(\d+)', ['bytes', 'packets', 'errors', 'drops']) AS tx_before
    FROM found
), increase AS (
    SELECT source, timestamp, seconds, rtrim(name, ':') AS interface,
           if(idle, 0, whole(rx.bytes) - whole(rx_before.bytes)) AS rx_bytes, if(idle, 0, whole(tx.bytes) - whole(tx_before.bytes)) AS tx_bytes,
           if(idle, 0, whole(rx.packets) - whole(rx_before.packets)) AS rx_packets, if(idle, 0, whole(tx.packets) - whole(tx_before.packets)) AS tx_packets,
           if(idle, 0, whole(rx.errors) - whole(rx_before.errors)) AS rx_errors, if(idle, 0, whole(tx.errors) - whole(tx_before.errors)) AS tx_errors,
           if(idle, 0, whole(rx.drops) - whole(rx_before.drops)) AS rx_drops, if(idle, 0, whole(tx.drops) - whole(tx_before.drops)) AS tx_drops
    FROM fields
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
