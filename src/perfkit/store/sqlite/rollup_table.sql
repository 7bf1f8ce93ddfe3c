-- Smallest, mean and largest of each metric in buckets of equal width; `timestamp` is the bucket's start, `samples` the rows in it.
CREATE TABLE {table}_{level} (
    collector_id INTEGER NOT NULL,
    {key_columns}timestamp INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    {columns},
    PRIMARY KEY (collector_id, {key}timestamp)
) WITHOUT ROWID;
