CREATE OR REPLACE TABLE live_after AS
SELECT unnest($sources::INTEGER[]) AS source, unnest($stamps::BIGINT[]) AS after, unnest($untold::BOOLEAN[]) AS untold, unnest($seen::BIGINT[]) AS seen
