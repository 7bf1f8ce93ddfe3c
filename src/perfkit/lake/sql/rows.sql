-- The rows of files of one table, every row once. A column of the catalog's that a file lacks is NULL there.
-- `alone` are files that share no instant with another one. Of a row that several files of `shared` have that one counts which reaches furthest
-- (a run that went on), then the one with most values (a part's first sample has no rates), then the one with the greatest digest; and of
-- one collection the file that is not compacted, which is newer.
WITH typed AS (
    SELECT NULL::VARCHAR AS site, NULL::VARCHAR AS machine, NULL::TIMESTAMPTZ AS timestamp, {typed}, NULL::DATE AS date, NULL::VARCHAR AS collection,
           NULL::VARCHAR AS filename
    WHERE false
), alone AS (
    FROM typed UNION ALL BY NAME FROM {alone}
), shared AS (
    FROM typed UNION ALL BY NAME FROM {shared}
), chosen AS (
    FROM shared QUALIFY row_number() OVER (
        PARTITION BY site, machine, {keys} ORDER BY {latest}{filled} DESC, collection DESC, contains(filename, 'compacted-'), filename DESC
    ) = 1
)
FROM alone UNION ALL BY NAME FROM chosen
