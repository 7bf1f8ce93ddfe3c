-- The windows that percentiles are taken over: the ranges, counted back from each source's last sample (the sample just `seconds` before it is
-- outside), and its phases. Windows of one source that begin and end together have one `span`.
CREATE OR REPLACE TABLE windows AS
WITH ranges AS (
    SELECT unnest($ranges) AS range, unnest($seconds) AS seconds
), named AS (
    SELECT source, range, greatest(first_timestamp, coalesce(last_timestamp - 1000 * seconds + 1, first_timestamp))::BIGINT AS from_timestamp,
           last_timestamp AS to_timestamp
    FROM sources CROSS JOIN ranges
    UNION ALL
    SELECT source, 'phase:' || phase, since, until FROM phases
)
SELECT *, dense_rank() OVER (ORDER BY source, from_timestamp, to_timestamp) AS span FROM named
