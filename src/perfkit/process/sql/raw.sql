-- The lines as they were read; `timestamp` in milliseconds since the epoch, `monotonic` in seconds or NULL.
CREATE TABLE raw (source INTEGER, timestamp BIGINT, monotonic DOUBLE, subsystem VARCHAR, measurement VARCHAR);

-- Every sample and the boot that it belongs to (samples.sql).
CREATE TABLE samples (source INTEGER, timestamp BIGINT, boot BIGINT, before BIGINT, first BOOLEAN);

-- Reads that do not follow the sample before (holes.sql).
CREATE TABLE holes (source INTEGER, subsystem VARCHAR, timestamp BIGINT, before BIGINT);

-- Names that the user gave to containers.
CREATE TABLE container_names (container_id VARCHAR, name VARCHAR);

-- The files that were read, and their damage (reading.py).
CREATE TABLE inputs (source INTEGER, file VARCHAR, bytes BIGINT, lines BIGINT, unreadable BIGINT, first_unreadable BIGINT, truncated BOOLEAN);
