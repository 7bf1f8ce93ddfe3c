-- What a reader of the numbers has to know, one row per event:
--   gap          samples are missing between two neighbours (missed)
--   reboot       the machine booted again      clock_step  the wall clock moved against the monotonic one (detail: seconds)
--   reset        counters of a device went back, so that it has no rate here
--   hot_plug     a device appeared after the first sample, or came back    unplug  it is gone from the sample after this
--   damaged      lines that could not be read (missed: how many; detail: where the first stood)
--   truncated    the file ends within a line   duplicate   lines that stood twice (missed: how many)
-- Instants are milliseconds since the epoch; `subject` is the device, the counter or the file.
WITH clocks AS (
    SELECT source, timestamp, boot, monotonic FROM raw JOIN samples USING (source, timestamp) WHERE subsystem = '/proc/stat' AND monotonic IS NOT NULL
), steps AS (
    SELECT source, lag(timestamp) OVER w AS since, timestamp AS until,
           (timestamp - lag(timestamp) OVER w) / 1000 - (monotonic - lag(monotonic) OVER w) AS stepped, monotonic - lag(monotonic) OVER w AS seconds
    FROM clocks WINDOW w AS (PARTITION BY source, boot ORDER BY monotonic)
), blanks AS (
    SELECT source, timestamp, 'cpu ' || cpu AS subject FROM cpu WHERE idle IS NULL
    UNION ALL SELECT source, timestamp, 'disk ' || device FROM disk WHERE read_ops IS NULL
    UNION ALL SELECT source, timestamp, 'network ' || interface FROM network WHERE rx_bytes IS NULL
), present AS (
    SELECT source, timestamp, 'cpu ' || cpu AS subject FROM cpu
    UNION ALL SELECT source, timestamp, 'disk ' || device FROM disk
    UNION ALL SELECT source, timestamp, 'network ' || interface FROM network
), starts AS (
    SELECT blanks.*, before, present.subject IS NOT NULL AS was_there
    FROM blanks JOIN samples USING (source, timestamp)
    LEFT JOIN present ON present.source = blanks.source AND present.subject = blanks.subject AND present.timestamp = samples.before
), patchy AS (
    -- Devices that miss some sample; the rest need no closer look.
    SELECT source, subject
    FROM (
        SELECT source, 'cpu ' || cpu AS subject, count(*) AS seen FROM cpu GROUP BY source, cpu
        UNION ALL SELECT source, 'disk ' || device, count(*) FROM disk GROUP BY source, device
        UNION ALL SELECT source, 'network ' || interface, count(*) FROM network GROUP BY source, interface
    ) JOIN (SELECT source, count(*) AS samples FROM samples GROUP BY source) USING (source)
    WHERE seen < samples
), ends AS (
    -- Gone from the sample after, although its file was read there.
    SELECT last.source, last.timestamp, next.timestamp AS after, last.subject
    FROM present AS last
    SEMI JOIN patchy ON patchy.source = last.source AND patchy.subject = last.subject
    JOIN samples AS next ON next.source = last.source AND next.before = last.timestamp
    JOIN raw ON raw.source = next.source AND raw.timestamp = next.timestamp AND raw.subsystem
        = CASE split_part(last.subject, ' ', 1) WHEN 'cpu' THEN '/proc/stat' WHEN 'disk' THEN '/proc/diskstats' ELSE '/proc/net/dev' END
    ANTI JOIN present AS there ON there.source = last.source AND there.subject = last.subject AND there.timestamp = next.timestamp
)
SELECT source, 'gap' AS kind, since AS from_timestamp, until AS to_timestamp, '' AS subject, missed, NULL AS detail FROM gaps
UNION ALL
SELECT source, 'reboot', since, since, '', NULL, NULL FROM boots WHERE boot > 1
UNION ALL
SELECT source, 'clock_step', since, until, '', NULL, format('{:+.3f} s', stepped) FROM steps WHERE abs(stepped) > 0.25 + 0.001 * seconds
UNION ALL
SELECT source, if(was_there, 'reset', 'hot_plug'), before, timestamp, subject, NULL, NULL FROM starts WHERE before IS NOT NULL
UNION ALL
SELECT source, 'unplug', timestamp, after, subject, NULL, NULL FROM ends
UNION ALL
SELECT source, 'damaged', NULL, NULL, file, unreadable, 'first in line ' || first_unreadable FROM inputs WHERE unreadable > 0
UNION ALL
SELECT source, 'truncated', NULL, NULL, file, NULL, NULL FROM inputs WHERE truncated
UNION ALL
SELECT source, 'duplicate', NULL, NULL, '', lines, NULL FROM duplicates WHERE lines > 0
