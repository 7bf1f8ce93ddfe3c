-- network.csv: what each network interface carried between two samples.
--
-- Source: /proc/net/dev; man 5 proc_pid_net. Two header lines, then "name:" and, since the interface came up:
--   1 received bytes  2 packets  3 errors  4 drops  5 fifo  6 frame  7 compressed  8 multicast
--   9 sent bytes  10 packets  11 errors  12 drops  13 fifo  14 collisions  15 carrier  16 compressed
-- A counter that goes back means that the interface was reset: no rates.
WITH reads AS (
    FROM reads_of('/proc/net/dev')
), lines AS (
    SELECT source, timestamp, before, seconds, unnest(string_split(measurement, chr(10))) AS line FROM reads
), fields AS (
    SELECT source, timestamp, before, seconds, trim(split_part(line, ':', 1)) AS interface,
           string_split(squeeze(line[strpos(line, ':') + 1:]), ' ') AS field
    FROM lines
    WHERE contains(line, ':')
), counters AS (
    SELECT source, timestamp, before, seconds, interface,
           whole(field[1]) AS rx_bytes, whole(field[2]) AS rx_packets, whole(field[3]) AS rx_errors, whole(field[4]) AS rx_drops,
           whole(field[9]) AS tx_bytes, whole(field[10]) AS tx_packets, whole(field[11]) AS tx_errors, whole(field[12]) AS tx_drops
    FROM fields
    WHERE len(field) >= 12
), increase AS (
    SELECT now.source, now.timestamp, now.interface, now.seconds,
           now.rx_bytes - earlier.rx_bytes AS rx_bytes, now.tx_bytes - earlier.tx_bytes AS tx_bytes,
           now.rx_packets - earlier.rx_packets AS rx_packets, now.tx_packets - earlier.tx_packets AS tx_packets,
           now.rx_errors - earlier.rx_errors AS rx_errors, now.tx_errors - earlier.tx_errors AS tx_errors,
           now.rx_drops - earlier.rx_drops AS rx_drops, now.tx_drops - earlier.tx_drops AS tx_drops
    FROM counters AS now
    LEFT JOIN counters AS earlier
           ON earlier.source = now.source AND earlier.timestamp = now.before AND earlier.interface = now.interface
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
