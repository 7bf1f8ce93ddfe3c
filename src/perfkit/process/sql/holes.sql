-- Reads whose subsystem is missing in the sample before (a read that failed): `before` is the last sample that has it, in the same boot.
-- Only subsystems that have fewer reads than the source has samples are looked at; mostly there are none.
WITH counted AS (
    SELECT source, subsystem, count(*) AS reads FROM raw WHERE starts_with(subsystem, '/proc/') GROUP BY source, subsystem
), patchy AS (
    SELECT source, subsystem FROM counted JOIN (SELECT source, count(*) AS samples FROM samples GROUP BY source) USING (source)
    WHERE reads < samples
), ordered AS (
    SELECT source, subsystem, timestamp, samples.before AS sample_before,
           lag(timestamp) OVER (PARTITION BY source, boot, subsystem ORDER BY coalesce(monotonic, timestamp / 1000)) AS before
    FROM raw JOIN patchy USING (source, subsystem) JOIN samples USING (source, timestamp)
)
SELECT source, subsystem, timestamp, before FROM ordered WHERE before IS DISTINCT FROM sample_before
