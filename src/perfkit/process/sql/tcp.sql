-- tcp.csv: connections and segments.
--
-- Sources: /proc/net/snmp and /proc/net/netstat; Documentation/networking/snmp_counter.rst, RFC 4022. Pairs of lines with one
-- prefix, the first with names, the second with numbers; columns are found by name, because kernels add to them.
-- CurrEstab is a level; all others count since boot.
WITH snmp AS (
    SELECT source, timestamp, before, seconds,
           string_split(regexp_extract(measurement, 'Tcp: ([A-Z][^\n]*)', 1), ' ') AS names,
           string_split(regexp_extract(measurement, 'Tcp: ([-\d][^\n]*)', 1), ' ') AS numbers
    FROM reads_of('/proc/net/snmp')
), extended AS (
    SELECT source, timestamp, before, seconds,
           string_split(regexp_extract(measurement, 'TcpExt: ([A-Z][^\n]*)', 1), ' ') AS names,
           string_split(regexp_extract(measurement, 'TcpExt: ([-\d][^\n]*)', 1), ' ') AS numbers
    FROM reads_of('/proc/net/netstat')
), segments AS (
    SELECT source, timestamp, before, seconds,
           whole(numbers[list_position(names, 'ActiveOpens')]) AS active_opens,
           whole(numbers[list_position(names, 'PassiveOpens')]) AS passive_opens,
           whole(numbers[list_position(names, 'InSegs')]) AS in_segments,
           whole(numbers[list_position(names, 'OutSegs')]) AS out_segments,
           whole(numbers[list_position(names, 'RetransSegs')]) AS retransmits,
           whole(numbers[list_position(names, 'CurrEstab')]) AS established
    FROM snmp
), overflows AS (
    SELECT source, timestamp, before, seconds, whole(numbers[list_position(names, 'ListenOverflows')]) AS listen_overflows FROM extended
), segment_rates AS (
    SELECT now.source, now.timestamp, now.established,
           rate(now.active_opens, earlier.active_opens, now.seconds) AS active_opens,
           rate(now.passive_opens, earlier.passive_opens, now.seconds) AS passive_opens,
           rate(now.in_segments, earlier.in_segments, now.seconds) AS in_segments,
           rate(now.out_segments, earlier.out_segments, now.seconds) AS out_segments,
           rate(now.retransmits, earlier.retransmits, now.seconds) AS retransmits
    FROM segments AS now LEFT JOIN segments AS earlier ON earlier.source = now.source AND earlier.timestamp = now.before
), overflow_rates AS (
    SELECT now.source, now.timestamp, rate(now.listen_overflows, earlier.listen_overflows, now.seconds) AS listen_overflows
    FROM overflows AS now LEFT JOIN overflows AS earlier ON earlier.source = now.source AND earlier.timestamp = now.before
)
SELECT source, timestamp,
       active_opens,      -- connections/s opened from here
       passive_opens,     -- connections/s accepted
       in_segments,       -- segments/s received
       out_segments,      -- segments/s sent, without retransmitted ones
       retransmits,       -- segments/s sent again
       established,       -- connections
       listen_overflows   -- connections/s lost because a listen queue was full
FROM segment_rates
FULL JOIN overflow_rates USING (source, timestamp)
