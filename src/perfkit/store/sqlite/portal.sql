-- The names under which the portal's users know their data.
CREATE VIEW collectors_collector AS
    SELECT * FROM collectors;

-- The index holds the view's text, so that the newest row, the count and the first ten rows of a week need no formatting.
CREATE INDEX host_metrics_iso ON host_metrics (collector_id, strftime('%Y-%m-%dT%H:%M:%fZ', timestamp / 1000.0, 'unixepoch'));

CREATE VIEW dashboard_performancemetric AS
    SELECT collector_id, strftime('%Y-%m-%dT%H:%M:%fZ', timestamp / 1000.0, 'unixepoch') AS timestamp, {columns}
    FROM host_metrics;
