-- tcp.csv: connections and segments.
--
-- Sources: /proc/net/snmp and /proc/net/netstat; Documentation/networking/snmp_counter.rst, RFC 4022. Pairs of lines with one
-- prefix, the first with names, the second with numbers; columns are found by name, because kernels add to them.
-- CurrEstab is a level; all others count since boot.
WITH snmp AS (
    SELECT * EXCLUDE (measurement), list_filter(lines_of(measurement), lambda l: starts_with(l, 'Tcp: ')) AS lines,
           string_split(lines[1], ' ') AS names, string_split(lines[2], ' ') AS figures
    FROM reads_of('/proc/net/snmp')
), segment_reads AS MATERIALIZED (
    SELECT machine, timestamp, stretch, monotonic, clock, earlier, whole(figures[list_position(names, 'CurrEstab')]) AS established,
           whole(figures[list_position(names, 'ActiveOpens')]) AS active, whole(figures[list_position(names, 'PassiveOpens')]) AS passive,
           whole(figures[list_position(names, 'InSegs')]) AS received, whole(figures[list_position(names, 'OutSegs')]) AS sent,
           whole(figures[list_position(names, 'RetransSegs')]) AS resent
    FROM snmp
), segments AS (
    SELECT machine, timestamp, established, seconds_between(lag(monotonic) OVER previous, monotonic, earlier, timestamp) AS seconds,
           rate(active, lag(active) OVER previous, seconds) AS active_opens, rate(passive, lag(passive) OVER previous, seconds) AS passive_opens,
           rate(received, lag(received) OVER previous, seconds) AS in_segments, rate(sent, lag(sent) OVER previous, seconds) AS out_segments,
           rate(resent, lag(resent) OVER previous, seconds) AS retransmits
    FROM segment_reads
    WINDOW previous AS (PARTITION BY machine, stretch ORDER BY clock)
), extended AS (
    SELECT * EXCLUDE (measurement), list_filter(lines_of(measurement), lambda l: starts_with(l, 'TcpExt: ')) AS lines,
           string_split(lines[1], ' ') AS names, string_split(lines[2], ' ') AS figures
    FROM reads_of('/proc/net/netstat')
), overflow_reads AS MATERIALIZED (
    SELECT machine, timestamp, stretch, monotonic, clock, earlier, whole(figures[list_position(names, 'ListenOverflows')]) AS overflows FROM extended
), overflows AS (
    SELECT machine, timestamp, seconds_between(lag(monotonic) OVER previous, monotonic, earlier, timestamp) AS seconds,
           rate(overflow_reads.overflows, lag(overflow_reads.overflows) OVER previous, seconds) AS listen_overflows
    FROM overflow_reads
    WINDOW previous AS (PARTITION BY machine, stretch ORDER BY clock)
)
SELECT machine, timestamp,
       active_opens,      -- connections/s opened from here
       passive_opens,     -- connections/s accepted
       in_segments,       -- segments/s received
       out_segments,      -- segments/s sent, without retransmitted ones
       retransmits,       -- segments/s sent again
       established,       -- connections
       listen_overflows,  -- connections/s lost because a listen queue was full
       CASE WHEN segments.timestamp IS NOT NULL AND established IS NULL
                OR segments.seconds > 0 AND active_opens + passive_opens + in_segments + out_segments + retransmits IS NULL
                OR overflows.seconds > 0 AND listen_overflows IS NULL THEN 'a counter went back, is missing or is none' END AS why
FROM segments
FULL JOIN overflows USING (machine, timestamp)
