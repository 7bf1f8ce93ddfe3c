-- tcp.csv: connections and segments.
--
-- Sources: /proc/net/snmp and /proc/net/netstat; Documentation/networking/snmp_counter.rst, RFC 4022. Pairs of lines with one
-- prefix, the first with names, the second with numbers; columns are found by name, because kernels add to them.
-- CurrEstab is a level; all others count since boot.
WITH snmp AS (
    SELECT source, timestamp, monotonic, list_filter(lines_of(measurement), lambda l: starts_with(l, 'Tcp: ')) AS lines,
           string_split(lines[1], ' ') AS names, string_split(lines[2], ' ') AS figures
    FROM raw
    WHERE subsystem = '/proc/net/snmp'
), segment_reads AS MATERIALIZED (
    SELECT source, timestamp, monotonic, whole(figures[list_position(names, 'CurrEstab')]) AS established,
           whole(figures[list_position(names, 'ActiveOpens')]) AS active_opens, whole(figures[list_position(names, 'PassiveOpens')]) AS passive_opens,
           whole(figures[list_position(names, 'InSegs')]) AS in_segments, whole(figures[list_position(names, 'OutSegs')]) AS out_segments,
           whole(figures[list_position(names, 'RetransSegs')]) AS retransmits
    FROM snmp
), segments AS (
    SELECT source, timestamp, now.established, seconds_between(before.monotonic, now.monotonic, earlier, timestamp) AS seconds,
           rate(now.active_opens, before.active_opens, seconds) AS active_opens, rate(now.passive_opens, before.passive_opens, seconds) AS passive_opens,
           rate(now.in_segments, before.in_segments, seconds) AS in_segments, rate(now.out_segments, before.out_segments, seconds) AS out_segments,
           rate(now.retransmits, before.retransmits, seconds) AS retransmits
    FROM segment_reads AS now
    JOIN steps_of('/proc/net/snmp') USING (source, timestamp)
    LEFT JOIN segment_reads AS before ON before.source = now.source AND before.timestamp = earlier
), extended AS (
    SELECT source, timestamp, monotonic, list_filter(lines_of(measurement), lambda l: starts_with(l, 'TcpExt: ')) AS lines,
           string_split(lines[1], ' ') AS names, string_split(lines[2], ' ') AS figures
    FROM raw
    WHERE subsystem = '/proc/net/netstat'
), overflow_reads AS MATERIALIZED (
    SELECT source, timestamp, monotonic, whole(figures[list_position(names, 'ListenOverflows')]) AS overflows FROM extended
), overflows AS (
    SELECT source, timestamp, seconds_between(before.monotonic, now.monotonic, earlier, timestamp) AS seconds,
           rate(now.overflows, before.overflows, seconds) AS listen_overflows
    FROM overflow_reads AS now
    JOIN steps_of('/proc/net/netstat') USING (source, timestamp)
    LEFT JOIN overflow_reads AS before ON before.source = now.source AND before.timestamp = earlier
)
SELECT source, timestamp,
       active_opens,      -- connections/s opened from here
       passive_opens,     -- connections/s accepted
       in_segments,       -- segments/s received
       out_segments,      -- segments/s sent, without retransmitted ones
       retransmits,       -- segments/s sent again
       established,       -- connections
       listen_overflows   -- connections/s lost because a listen queue was full
FROM segments
FULL JOIN overflows USING (source, timestamp)
