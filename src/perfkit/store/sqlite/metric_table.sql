-- One table of the catalog.
CREATE TABLE {table} (
    collector_id INTEGER NOT NULL,
    {key_columns}timestamp INTEGER NOT NULL,
    {columns},
    PRIMARY KEY (collector_id, {order})
) WITHOUT ROWID;
