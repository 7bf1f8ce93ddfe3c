-- What a load tool reported, one row per report, in the order of perfkit.loadtools.requests.Report; `at` and times in ms.
-- An instant counts if it lies in the years 2000 to 2099 and within 31 days of the middle one of the file: a clock that was never set,
-- a time of 0 or a mutilated digit would else make a series of years.
CREATE TEMP TABLE reports AS
WITH read AS (
    SELECT * REPLACE (CASE WHEN at >= 946684800000 AND at < 4102444800000 THEN floor(at)::BIGINT END AS at)
    FROM read_csv($file, header = false, auto_detect = false, delim = ',', columns = {
        section: 'INTEGER',     -- which of the outputs that were appended to one another
        at: 'DOUBLE',           -- when it ended, ms since the epoch
        rank: 'TINYINT',        -- what it is an operation of; the lowest rank that a run has is what is counted
        operations: 'BIGINT',
        errors: 'BIGINT',
        latency: 'DOUBLE',
        weight: 'BIGINT',       -- of how many operations the latency is the mean
        longest: 'DOUBLE',      -- the longest of them
        users: 'DOUBLE',        -- at work at that instant
        change: 'BIGINT',       -- users who began (1) or ended (-1)
        dropped: 'BIGINT',      -- operations that should have begun and did not
        starved: 'BIGINT'       -- errors of the generator itself
    })
), middle AS (
    SELECT quantile_disc(at, 0.5) FILTER (rank IS NOT NULL) AS instant FROM read
)
SELECT read.* REPLACE (CASE WHEN abs(at - coalesce(instant, at)) <= 31 * 86400000::BIGINT THEN at END AS at) FROM read, middle;
