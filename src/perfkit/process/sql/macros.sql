-- What the components share. Every derived number goes through these.

-- The reads of one subsystem, and how each follows the one before it within the same boot of the same source:
--   before   timestamp of the previous sample that has this subsystem; NULL for the first, and for the first after a reboot
--   seconds  between the two reads: by the monotonic clock where both carry it, else by the wall clock
-- The window sorts without the texts, which are wide, and the texts join afterwards.
CREATE OR REPLACE MACRO reads_of(name) AS TABLE
    WITH clocks AS (
        SELECT source, timestamp, boot, monotonic FROM raw JOIN samples USING (source, timestamp) WHERE subsystem = name
    ), paced AS (
        SELECT source, timestamp, lag(timestamp) OVER previous AS before,
               coalesce(monotonic - lag(monotonic) OVER previous, (timestamp - lag(timestamp) OVER previous) / 1000) AS seconds
        FROM clocks
        WINDOW previous AS (PARTITION BY source, boot ORDER BY coalesce(monotonic, timestamp / 1000))
    )
    SELECT source, timestamp, subsystem, before, seconds, measurement
    FROM raw JOIN paced USING (source, timestamp)
    WHERE subsystem = name;

-- Tokens of a text whose columns are padded with spaces, such as /proc/net/dev.
CREATE OR REPLACE MACRO squeeze(text) AS
    replace(replace(replace(replace(trim(text), '    ', ' '), '   ', ' '), '  ', ' '), '  ', ' ');

-- A whole number as the kernel prints it; NULL where the field is missing or damaged.
CREATE OR REPLACE MACRO whole(token) AS try_cast(token AS BIGINT);

-- A counter's increase per second. A counter that went back was reset: no rate.
-- `value`, but never more than `most`; NULL stays NULL (least() would skip it).
CREATE OR REPLACE MACRO at_most(value, most) AS if(value > most, most, value);
CREATE OR REPLACE MACRO at_least(value, fewest) AS if(value < fewest, fewest, value);

CREATE OR REPLACE MACRO rate(now, earlier, seconds) AS
    CASE WHEN seconds > 0 AND now >= earlier THEN (now - earlier) / seconds END;

-- Increase of a tick field of /proc/diskstats, which the kernel keeps in 32 bits: such a field wraps, it is not reset.
CREATE OR REPLACE MACRO ticks(now, earlier) AS
    CASE WHEN now >= earlier THEN now - earlier ELSE now - earlier + 4294967296 END;

-- The value of one line of /proc/meminfo ("MemFree:  114728 kB") or /proc/vmstat ("pgpgin 1234").
CREATE OR REPLACE MACRO meminfo(text, key) AS whole(regexp_extract(text, '(?:^|\n)' || key || ': +(\d+)', 1));
CREATE OR REPLACE MACRO keyed(text, key) AS whole(regexp_extract(text, '(?:^|\n)' || key || ' +(\d+)', 1));

-- The first value of a key in /proc/cpuinfo ("model name  : Intel ..."); NULL where the key is missing.
CREATE OR REPLACE MACRO cpuinfo(text, key) AS nullif(regexp_extract(text, '(?m)^' || key || '\s*: *(.*?) *$', 1), '');

-- A text that is safe in a spreadsheet: one that starts like a formula (= + - @, tab, line end) gets a quote in front.
CREATE OR REPLACE MACRO neutral(text) AS if(ascii(text) IN (9, 10, 13, 43, 45, 61, 64), '''' || text, text);
