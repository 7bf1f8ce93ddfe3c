-- What the components share. Every derived number goes through these.

-- The reads of one subsystem, each with the text of the one before it in the same boot of the same source:
--   earlier  the text of the previous sample that has this subsystem; NULL for the first, and for the first after a reboot
--   seconds  between the two reads: by the monotonic clock where both carry it, else by the wall clock
CREATE OR REPLACE MACRO pairs_of(name) AS TABLE
    SELECT now.source, now.timestamp, now.measurement AS text, before.measurement AS earlier,
           coalesce(now.monotonic - before.monotonic, (now.timestamp - before.timestamp) / 1000) AS seconds
    FROM (FROM raw WHERE subsystem = name) AS now
    JOIN samples USING (source, timestamp)
    LEFT JOIN (FROM holes WHERE subsystem = name) AS holes USING (source, timestamp)
    LEFT JOIN (FROM raw WHERE subsystem = name) AS before
           ON before.source = now.source AND before.timestamp = coalesce(holes.before, samples.before);

-- The lines of a text.
CREATE OR REPLACE MACRO lines_of(text) AS string_split(text, chr(10));

-- What follows the first blank, without further blanks.
CREATE OR REPLACE MACRO after_blank(text) AS ltrim(substr(text, strpos(text, ' ')));

-- A whole number as the kernel prints it; NULL where the field is missing or damaged.
CREATE OR REPLACE MACRO whole(token) AS try_cast(token AS BIGINT);

-- A counter's increase per second. A counter that went back was reset: no rate.
-- `value`, but never more than `most`; NULL stays NULL (least() would skip it).
CREATE OR REPLACE MACRO at_most(value, most) AS if(value > most, most, value);
CREATE OR REPLACE MACRO at_least(value, fewest) AS if(value < fewest, fewest, value);

CREATE OR REPLACE MACRO rate(now, earlier, seconds) AS
    CASE WHEN seconds > 0 AND now >= earlier THEN (now - earlier) / seconds END;

-- Increase of a counter between two lists of fields; nothing to compute where the device was idle.
CREATE OR REPLACE MACRO grown(idle, now, before, n) AS CASE WHEN idle THEN 0 ELSE whole(now[n]) - whole(before[n]) END;

-- The same of a tick field of /proc/diskstats, which the kernel keeps in 32 bits: such a field wraps, it is not reset.
CREATE OR REPLACE MACRO wrapped(idle, now, before, n) AS CASE WHEN idle THEN 0 ELSE (whole(now[n]) - whole(before[n])) & 4294967295 END;

-- `value`, but never more than `most`; NULL stays NULL (least() would skip it).
CREATE OR REPLACE MACRO at_most(value, most) AS if(value > most, most, value);
CREATE OR REPLACE MACRO at_least(value, fewest) AS if(value < fewest, fewest, value);

CREATE OR REPLACE MACRO rate(now, earlier, seconds) AS
    CASE WHEN seconds > 0 AND now >= earlier THEN (now - earlier) / seconds END;

-- Increase of a tick field of /proc/diskstats, which the kernel keeps in 32 bits: such a field wraps, it is not reset.
CREATE OR REPLACE MACRO ticks(now, earlier) AS
    CASE WHEN now >= earlier THEN now - earlier ELSE now - earlier + 4294967296 END;

-- The number in the line of a key, as in /proc/meminfo ("MemFree:  114728 kB") and /proc/vmstat ("pgpgin 1234"); NULL without such a line.
-- Searches for the key and matches only there: four times as fast as one pattern over the whole text.
CREATE OR REPLACE MACRO number_of(text, key) AS
    whole(regexp_extract(substr(text, nullif(strpos(text, chr(10) || key), 0) + length(key) + 1, 32), '^ *(\d+)', 1));

-- The fields of a file in /proc/pressure; '' where there is no such line.
CREATE OR REPLACE MACRO psi(text) AS regexp_extract(text,
    '^some avg10=([\d.]+) avg60=[\d.]+ avg300=[\d.]+ total=(\d+)\s*(?:full avg10=([\d.]+) avg60=[\d.]+ avg300=[\d.]+ total=(\d+))?',
    ['some_avg10', 'some_us', 'full_avg10', 'full_us']);

-- The first value of a key in /proc/cpuinfo ("model name  : Intel ..."); NULL where the key is missing.
CREATE OR REPLACE MACRO cpuinfo(text, key) AS nullif(regexp_extract(text, '(?m)^' || key || '\s*: *(.*?) *$', 1), '');

-- A text that is safe in a spreadsheet: one that starts like a formula (= + - @, tab, line end) gets a quote in front.
CREATE OR REPLACE MACRO neutral(text) AS if(ascii(text) IN (9, 10, 13, 43, 45, 61, 64), '''' || text, text);

-- A text as one CSV cell.
CREATE OR REPLACE MACRO quoted(text) AS if(regexp_matches(text, '[",\n\r]'), '"' || replace(text, '"', '""') || '"', text);

-- The values of a JSON array of numbers as CSV cells: without the brackets (trim() would cost more than all the rest), null as nothing.
CREATE OR REPLACE MACRO cells(list) AS
    CASE WHEN contains(list, 'null') THEN replace(substr(list, 2, strlen(list) - 2), 'null', '') ELSE substr(list, 2, strlen(list) - 2) END;
