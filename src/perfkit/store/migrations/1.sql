-- From version 1: live import, and samples by column. Flags are no figures: they have no rollups.
ALTER TABLE disk_metrics_10s DROP COLUMN in_total_min;
ALTER TABLE disk_metrics_10s DROP COLUMN in_total_avg;
ALTER TABLE disk_metrics_10s DROP COLUMN in_total_max;
ALTER TABLE disk_metrics_1m DROP COLUMN in_total_min;
ALTER TABLE disk_metrics_1m DROP COLUMN in_total_avg;
ALTER TABLE disk_metrics_1m DROP COLUMN in_total_max;
ALTER TABLE disk_metrics_10m DROP COLUMN in_total_min;
ALTER TABLE disk_metrics_10m DROP COLUMN in_total_avg;
ALTER TABLE disk_metrics_10m DROP COLUMN in_total_max;
ALTER TABLE network_metrics_10s DROP COLUMN in_total_min;
ALTER TABLE network_metrics_10s DROP COLUMN in_total_avg;
ALTER TABLE network_metrics_10s DROP COLUMN in_total_max;
ALTER TABLE network_metrics_1m DROP COLUMN in_total_min;
ALTER TABLE network_metrics_1m DROP COLUMN in_total_avg;
ALTER TABLE network_metrics_1m DROP COLUMN in_total_max;
ALTER TABLE network_metrics_10m DROP COLUMN in_total_min;
ALTER TABLE network_metrics_10m DROP COLUMN in_total_avg;
ALTER TABLE network_metrics_10m DROP COLUMN in_total_max;

CREATE TABLE segments (
    name           TEXT PRIMARY KEY,
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    table_name     TEXT NOT NULL,
    from_timestamp INTEGER NOT NULL,
    until          INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX segments_of ON segments (collector_id, table_name, from_timestamp);

CREATE TABLE live_positions (
    journal  TEXT PRIMARY KEY,
    position TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE live_lines (
    collector_id INTEGER PRIMARY KEY REFERENCES collectors (id) ON DELETE CASCADE,
    lines        BLOB NOT NULL
);
