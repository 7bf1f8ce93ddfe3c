-- tcp.csv: connections and segments.
--
-- Sources: /proc/net/snmp and /proc/net/netstat; Documentation/networking/snmp_counter.rst, RFC 4022. Pairs of lines with one
-- prefix, the first with names, the second with numbers; columns are found by name, because kernels add to them.
-- CurrEstab is a level; all others count since boot.
WITH snmp AS (
    SELECT source, timestamp, seconds, string_split(regexp_extract(text, 'Tcp: ([A-Z][^\n]*)', 1), ' ') AS names,
           string_split(regexp_extract(text, 'Tcp: ([-\d][^\n]*)', 1), ' ') AS now,
           string_split(regexp_extract(earlier, 'Tcp: ([-\d][^\n]*)', 1), ' ') AS before
    FROM pairs_of('/proc/net/snmp')
), extended AS (
    SELECT source, timestamp, seconds, string_split(regexp_extract(text, 'TcpExt: ([A-Z][^\n]*)', 1), ' ') AS names,
           string_split(regexp_extract(text, 'TcpExt: ([-\d][^\n]*)', 1), ' ') AS now,
           string_split(regexp_extract(earlier, 'TcpExt: ([-\d][^\n]*)', 1), ' ') AS before
    FROM pairs_of('/proc/net/netstat')
), segments AS (
    SELECT source, timestamp, whole(now[list_position(names, 'CurrEstab')]) AS established,
           rate(whole(now[list_position(names, 'ActiveOpens')]), whole(before[list_position(names, 'ActiveOpens')]), seconds) AS active_opens,
           rate(whole(now[list_position(names, 'PassiveOpens')]), whole(before[list_position(names, 'PassiveOpens')]), seconds) AS passive_opens,
           rate(whole(now[list_position(names, 'InSegs')]), whole(before[list_position(names, 'InSegs')]), seconds) AS in_segments,
           rate(whole(now[list_position(names, 'OutSegs')]), whole(before[list_position(names, 'OutSegs')]), seconds) AS out_segments,
           rate(whole(now[list_position(names, 'RetransSegs')]), whole(before[list_position(names, 'RetransSegs')]), seconds) AS retransmits
    FROM snmp
), overflows AS (
    SELECT source, timestamp, rate(whole(now[list_position(names, 'ListenOverflows')]), whole(before[list_position(names, 'ListenOverflows')]), seconds) AS listen_overflows
    FROM extended
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
