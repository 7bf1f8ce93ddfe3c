-- When each source's machine booted, as far as the input tells: no rate spans two rows of this table.
--   boot   counts from 1 within the source
--   since  timestamp (ms) of the first sample under that boot
-- perfkit's sessions carry the boot id. Elsewhere "btime" of /proc/stat moves by more than 10 s (less is a clock being set).
WITH told AS (
    SELECT source, timestamp, boot_id IS DISTINCT FROM lag(boot_id) OVER (PARTITION BY source ORDER BY timestamp) AS changed FROM sessions
), btimes AS (
    SELECT source, timestamp, number_of(measurement, 'btime') AS btime
    FROM raw ANTI JOIN sessions USING (source)
    WHERE subsystem = '/proc/stat'
), guessed AS (
    SELECT source, timestamp, coalesce(abs(btime - lag(btime) OVER (PARTITION BY source ORDER BY timestamp)) > 10, false) AS changed FROM btimes
), changes AS (
    SELECT source, timestamp FROM told WHERE changed UNION ALL SELECT source, timestamp FROM guessed WHERE changed
    UNION ALL SELECT source, -1::BIGINT FROM raw ANTI JOIN sessions USING (source) GROUP BY source
)
SELECT source, timestamp AS since, row_number() OVER (PARTITION BY source ORDER BY timestamp) AS boot FROM changes
