-- One catalog table and its rollups. Series are read by collector and device, so that is the order on disk.
CREATE TABLE {table} (
    collector_id INTEGER NOT NULL,
    {key_columns}timestamp INTEGER NOT NULL,
    {columns},
    PRIMARY KEY (collector_id, {key}timestamp)
) WITHOUT ROWID;
