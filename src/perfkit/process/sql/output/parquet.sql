-- A table of one machine as Parquet in Hive folders: site=/machine=/date= (of UTC). `timestamp` is an instant with time zone.
COPY (
    SELECT make_timestamp(timestamp * 1000) AT TIME ZONE 'UTC' AS timestamp, COLUMNS($columns),
           $site AS site, $machine AS machine, strftime(make_timestamp(timestamp * 1000), '%Y-%m-%d') AS date
    FROM query_table($table)
    WHERE machine = $number
    ORDER BY timestamp
) TO $folder (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (site, machine, date))
