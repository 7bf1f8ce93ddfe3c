-- The quality events of one collector, as findings read them: $rows of [kind, subject, missed, to_timestamp] as JSON.
CREATE OR REPLACE TABLE quality AS
SELECT $machine::INTEGER AS machine, one[1] ->> '$' AS kind, one[2] ->> '$' AS subject, one[3]::BIGINT AS missed, one[4]::BIGINT AS to_timestamp
FROM (SELECT unnest($rows::JSON[]) AS whole), LATERAL (SELECT whole::JSON[] AS one)
