-- interface_limits.csv: packets that the cloud queued or dropped because the machine was beyond what its instance type may send and receive.
--
-- Source: limits, rows "ethtool/INTERFACE/COUNTER N": counters of Amazon's driver ena since it was loaded
-- (Documentation/networking/device_drivers/ethernet/amazon/ena.rst), read with ETHTOOL_GSTATS in every tenth sample.
WITH reads AS (
    SELECT *, split_part(path, '/', 2) AS interface, split_part(path, '/', 3) AS counter, sane(numbers[1]) AS number, number IS NULL AS garbage
    FROM limit_rows() WHERE starts_with(path, 'ethtool/')
), steps AS (
    SELECT *, seconds_between(lag(monotonic) OVER previous, monotonic, lag(timestamp) OVER previous, timestamp) AS seconds,
           lag(number) OVER previous AS number_before
    FROM reads
    WINDOW previous AS (PARTITION BY machine, stretch, interface, counter ORDER BY clock)
), rates AS (
    SELECT machine, stretch, timestamp, clock, interface, counter, rate(number, number_before, seconds) AS packets, garbage, number < number_before AS fell FROM steps
)
SELECT machine, timestamp, interface,
       max(packets) FILTER (counter = 'bw_in_allowance_exceeded') AS bw_in_exceeded,          -- packets/s beyond the bandwidth in
       max(packets) FILTER (counter = 'bw_out_allowance_exceeded') AS bw_out_exceeded,        -- packets/s beyond the bandwidth out
       max(packets) FILTER (counter = 'pps_allowance_exceeded') AS pps_exceeded,              -- packets/s beyond the packets per second
       max(packets) FILTER (counter = 'conntrack_allowance_exceeded') AS conntrack_exceeded,  -- packets/s beyond the tracked connections
       max(packets) FILTER (counter = 'linklocal_allowance_exceeded') AS linklocal_exceeded,  -- packets/s beyond those to DNS, time and metadata
       CASE WHEN bool_or(garbage) THEN 'a counter is no number that can be'
            WHEN count(*) < max(count(*)) OVER (PARTITION BY machine, stretch, interface ORDER BY min(clock)) THEN 'a number is missing'
            WHEN bool_or(fell) THEN 'reset' END AS why
FROM rates
GROUP BY machine, stretch, timestamp, interface
