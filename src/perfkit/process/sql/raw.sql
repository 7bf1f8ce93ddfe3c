-- The lines as they were read; `timestamp` in milliseconds since the epoch, `monotonic` in seconds or NULL.
CREATE TABLE raw (source INTEGER, timestamp BIGINT, monotonic DOUBLE, subsystem VARCHAR, measurement VARCHAR);

-- Every sample and the boot that it belongs to (samples.sql).
CREATE TABLE samples (source INTEGER, timestamp BIGINT, boot BIGINT, first BOOLEAN);

-- The measurements of the samples, each with its boot.
CREATE VIEW lines AS SELECT source, timestamp, boot, monotonic, subsystem, measurement FROM raw JOIN samples USING (source, timestamp);

-- Names that the user gave to containers.
CREATE TABLE container_names (container_id VARCHAR, name VARCHAR);
