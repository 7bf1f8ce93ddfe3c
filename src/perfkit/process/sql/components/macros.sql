-- What the components share. Every derived number goes through these.

-- The reads of one kernel file: each with `clock` (s), and the instant of the read before it in the same stretch (`earlier`; NULL for the first).
CREATE OR REPLACE MACRO reads_of(name) AS TABLE
    SELECT machine, timestamp, stretch, monotonic, clock, measurement,
           lag(timestamp) OVER (PARTITION BY machine, stretch ORDER BY clock) AS earlier
    FROM raw JOIN samples USING (machine, timestamp)
    WHERE subsystem = name;

-- The rows of the lines 'limits' (src/perfkit/collect/limits.py): a path and its numbers.
CREATE OR REPLACE MACRO limit_rows() AS TABLE
    SELECT machine, timestamp, stretch, monotonic, clock, split_part(line, ' ', 1) AS path, try_cast(string_split(line, ' ')[2:] AS DOUBLE[]) AS numbers
    FROM (SELECT * EXCLUDE (measurement), unnest(string_split(measurement, chr(10))) AS line FROM reads_of('limits'));

-- Whether the text of a line 'processes' is as the collector writes it (src/perfkit/collect/processes.py), with as many rows as it tells.
CREATE OR REPLACE MACRO is_whole_scan(text) AS
    coalesce(try_cast(regexp_extract(text, '^scan \d+ \d+ (\d+)', 1) AS BIGINT) = len(string_split(text, chr(10))) - 1, true) AND regexp_full_match(text,
    'scan \d{1,15} \d+( \d{1,15})?(\n(gone \d+ \d+|\d+ \d+ \+?\d+ \S( -?\d+){10}( (\d+|-)){6}))*');

-- Whether the text of a line 'perfkit/mark' is one: a label, and one of the three kinds.
CREATE OR REPLACE MACRO is_mark(text) AS
    CASE WHEN json_valid(text) THEN coalesce(text ->> '$.kind' IN ('start', 'end', 'point') AND text ->> '$.label' <> '', false) ELSE false END;

-- Whether the text of a line 'container/...' or 'service/...' is an object of texts and numbers: a true or a list is no number of the kernel's.
CREATE OR REPLACE MACRO is_flat_object(text) AS
    starts_with(text, '{') AND json_valid(text) AND NOT regexp_matches(text, '"[a-z_]+"\s*:\s*(?:true|false|\[|\{)');

-- Whether a line of a sample tells that it is one of every ten, in which what changes slowly is read: the filesystems, or the collector's own line,
-- which counts the samples, this one too (src/perfkit/collect/sample.py).
CREATE OR REPLACE MACRO is_of_slow_sample(subsystem, text) AS
    subsystem = 'statfs[*]'
    OR (subsystem = 'perfkit/self' AND coalesce(try_cast(regexp_extract(text, '"samples":\s*(\d{1,15})\s*[,}]', 1) AS BIGINT) % 10 = 1, false));

-- Seconds between two reads: by the monotonic clock where both carry it, else by the wall clock (ms).
CREATE OR REPLACE MACRO seconds_between(clock_before, clock, wall_before, wall) AS
    coalesce(clock - clock_before, (wall - wall_before) / 1000);

-- The kernel's ticks in a second (HZ for programs), 100 where the session does not tell a number that can be.
CREATE OR REPLACE MACRO ticks_per_second(told) AS if(told >= 1 AND told <= 10000, told, 100);

-- The lines of a text.
CREATE OR REPLACE MACRO lines_of(text) AS string_split(text, chr(10));

-- A number of the kernel's is never negative, and none comes near 2^62: such a value is garbage, and unknown.
CREATE OR REPLACE MACRO sane(value) AS if(value >= 0 AND value < 4611686018427387904, value, NULL);

-- A whole number as the kernel prints it; NULL where the field is missing, damaged or garbage: four times 2^62 does not fit into UBIGINT.
-- (As sane(try_cast(token AS BIGINT)), which names its argument three times, system.sql took 95 ms to plan instead of 63.)
CREATE OR REPLACE MACRO whole(token) AS (TRY(token::UBIGINT * 4) // 4)::BIGINT;

-- `value`, but never more than `most`, or less than `fewest`; NULL stays NULL (least() and greatest() would skip it).
CREATE OR REPLACE MACRO at_most(value, most) AS if(value > most, most, value);
CREATE OR REPLACE MACRO at_least(value, fewest) AS if(value < fewest, fewest, value);

-- A part of `total`; unknown where it is more than that.
CREATE OR REPLACE MACRO part_of(value, total) AS if(value > total, NULL, value);

-- A share of time (%), of counters that are read a moment before or after the clock: a little too much is all of it, more than four times as
-- much is garbage.
CREATE OR REPLACE MACRO share_of_time(percent) AS if(percent > 400, NULL, at_most(percent, 100));

-- A share of one core (%) over so many seconds: the counter is read up to 0.1 s after the clock where a machine is busy, and a quarter is left
-- for one that is taken from it; beyond that more than all `cpus` is garbage, and up to there it is all of them. Where their number is not known,
-- all is believed.
CREATE OR REPLACE MACRO is_beyond(percent, cpus, seconds) AS coalesce(percent > 100 * cpus * (1.25 + 0.1 / seconds), false);
CREATE OR REPLACE MACRO share_of_cores(percent, cpus, seconds) AS
    if(is_beyond(percent, cpus, seconds), NULL, if(cpus IS NULL, percent, at_most(percent, 100 * cpus)));

-- Whether a field that is there holds no number that the kernel could have written.
CREATE OR REPLACE MACRO is_garbage(token) AS token IS NOT NULL AND sane(try_cast(token AS DOUBLE)) IS NULL;

-- A byte count for a column of whole numbers; NULL where it would not fit.
CREATE OR REPLACE MACRO whole_bytes(value) AS sane(value)::BIGINT;

-- A counter's increase; NULL for one that went back (it was reset) and for garbage.
CREATE OR REPLACE MACRO increase(now, before) AS if(now >= before AND before >= 0 AND now < 4611686018427387904, now - before, NULL);

-- The difference of two readings, negative where the counter went back; NULL where one of them is garbage.
CREATE OR REPLACE MACRO delta(now, before) AS
    if(now >= 0 AND before >= 0 AND now < 4611686018427387904 AND before < 4611686018427387904, now - before, NULL);
CREATE OR REPLACE MACRO known(delta) AS if(delta >= 0, delta, NULL);
CREATE OR REPLACE MACRO increased(delta) AS if(delta > 0, delta, 0);

-- A counter's increase per second. Takes columns: an expression would be computed twice.
CREATE OR REPLACE MACRO rate(now, before, seconds) AS if(seconds > 0, increase(now, before) / seconds, NULL);

-- Increase of a counter between two lists of fields; nothing to compute where the device was idle.
CREATE OR REPLACE MACRO grown(idle, now, before, n) AS CASE WHEN idle THEN 0 ELSE increase(now[n], before[n]) END;

-- The same of a time of /proc/diskstats (ms), which the kernel keeps in 32 bits: near its end it wraps, anywhere else it was reset.
CREATE OR REPLACE MACRO wrapped(idle, now, before, n) AS
    CASE WHEN idle THEN 0 WHEN before[n] > 3221225472 AND before[n] < 4294967296 AND now[n] < 1073741824 THEN now[n] - before[n] + 4294967296
         ELSE increase(now[n], before[n]) END;

-- A line of /proc/diskstats ("   8       0 sda 31302 ...") or of /proc/net/dev ("  eth0: 823325 ...") up to its counters, and the device that
-- it is about; '' for a line without one. A name may hold blanks, quotes and colons: counters are what follows it.
CREATE OR REPLACE MACRO head_of(subsystem, line) AS
    CASE subsystem WHEN '/proc/diskstats' THEN regexp_extract(line, '^ *\d+ +\d+ +\S+ (?: *[^\s\d-]\S* )*') ELSE regexp_extract(line, '^.*:') END;
CREATE OR REPLACE MACRO device_of(subsystem, line) AS
    CASE subsystem WHEN '/proc/diskstats' THEN regexp_extract(line, '^ *\d+ +\d+ +(\S+(?: +[^\s\d-]\S*)*) ', 1) ELSE regexp_extract(line, '^ *(.*):', 1) END;

-- The numbers that follow the head of a line, one blank between two; NULL for a line that is damaged. DOUBLE, because no sum or difference
-- of it can overflow.
CREATE OR REPLACE MACRO counters(line, head) AS try_cast(string_split(substr(line, length(head) + 1), ' ') AS DOUBLE[]);

-- The number in the line of a key, as in /proc/meminfo ("MemFree:  114728 kB") and /proc/vmstat ("pgpgin 1234"); NULL without such a line.
-- Searches for the key and matches only there: four times as fast as one pattern over the whole text.
CREATE OR REPLACE MACRO number_of(text, key) AS
    whole(regexp_extract(substr(text, nullif(strpos(text, chr(10) || key), 0) + length(key) + 1, 32), '^ *(\d+)', 1));

-- The fields of a file in /proc/pressure; '' where there is no such line.
CREATE OR REPLACE MACRO psi(text) AS regexp_extract(text,
    '^some avg10=([\d.]+) avg60=[\d.]+ avg300=[\d.]+ total=(\d+)\s*(?:full avg10=([\d.]+) avg60=[\d.]+ avg300=[\d.]+ total=(\d+))?',
    ['some_avg10', 'some_us', 'full_avg10', 'full_us']);

-- The first value of a key in /proc/cpuinfo ("model name  : Intel ..."); NULL where the key is missing.
CREATE OR REPLACE MACRO cpuinfo(text, key) AS nullif(regexp_extract(text, '(?m)^' || key || '[ \t]*:[ \t]*(.*?)[ \t]*$', 1), '');

-- A text that is safe in a spreadsheet: one that starts like a formula (= + - @, tab, line end) gets a quote in front.
CREATE OR REPLACE MACRO neutral(text) AS if(ascii(text) IN (9, 10, 13, 43, 45, 61, 64), '''' || text, text);

-- A text as one CSV cell.
CREATE OR REPLACE MACRO quoted(text) AS if(regexp_matches(text, '[",\n\r]'), '"' || replace(text, '"', '""') || '"', text);

-- The values of a JSON array of numbers as CSV cells: without the brackets (trim() would cost more than all the rest), null as nothing.
CREATE OR REPLACE MACRO cells(list) AS
    CASE WHEN contains(list, 'null') THEN replace(substr(list, 2, strlen(list) - 2), 'null', '') ELSE substr(list, 2, strlen(list) - 2) END;
