-- What a load tool reported, one row per report, in the order of perfkit.loadtools.requests.Report; `ended` and times in ms.
-- An instant counts if it lies in the years 2000 to 2099 and within 31 days of the middle one of the file: a clock that was never set,
-- a time of 0 or a mutilated digit would else make a series of years. A latency counts if it is shorter than 31 days.
CREATE TEMP TABLE reports AS
WITH read AS (
    SELECT * REPLACE (
        CASE WHEN ended >= 946684800000 AND ended < 4102444800000 THEN floor(ended)::BIGINT END AS ended,
        CASE WHEN latency BETWEEN 0 AND 31 * 86400000::BIGINT THEN latency END AS latency,
        CASE WHEN longest BETWEEN 0 AND 31 * 86400000::BIGINT THEN longest END AS longest
    )
    FROM read_csv($file, header = false, auto_detect = false, delim = ',', columns = {
        section: 'INTEGER',     -- which of the outputs that were appended to one another
        ended: 'DOUBLE',        -- when it ended, ms since the epoch
        rank: 'TINYINT',        -- what it is an operation of; the lowest rank that a run has is what is counted
        operations: 'DOUBLE',
        errors: 'DOUBLE',
        latency: 'DOUBLE',
        weight: 'DOUBLE',       -- of how many operations the latency is the mean
        longest: 'DOUBLE',      -- the longest of them
        users: 'DOUBLE',        -- at work at that instant
        change: 'DOUBLE',       -- users who began (1) or ended (-1)
        dropped: 'DOUBLE',      -- operations that should have begun and did not
        starved: 'DOUBLE'       -- errors of the generator itself
    })
), middle AS (
    SELECT quantile_disc(ended, 0.5) FILTER (rank IS NOT NULL) AS instant FROM read
)
SELECT read.* REPLACE (CASE WHEN abs(ended - coalesce(instant, ended)) <= 31 * 86400000::BIGINT THEN ended END AS ended) FROM read, middle;
