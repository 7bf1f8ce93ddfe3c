-- The names under which the portal's users know their data.
DROP VIEW IF EXISTS collectors_collector;
CREATE VIEW collectors_collector AS
    SELECT * FROM collectors;

DROP VIEW IF EXISTS dashboard_performancemetric;
CREATE VIEW dashboard_performancemetric AS
    SELECT collector_id, to_char(to_timestamp(timestamp / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS timestamp, {columns}
    FROM host_metrics
