-- What was read, before anything is derived from it.

-- The lines; `timestamp` in milliseconds since the epoch, `monotonic` in seconds or NULL. `machine` and `file` are numbers that the caller gave.
-- Rows stand in the order of the lines in their files; where they do not (memory.py), `line` is their number. place() is that order.
CREATE TABLE raw (machine INTEGER, file INTEGER, line BIGINT, timestamp BIGINT, monotonic DOUBLE, subsystem VARCHAR, measurement VARCHAR);

-- The files, their damage, and the process that records into one at this moment (pid; NULL if none does).
CREATE TABLE inputs (
    machine INTEGER, file INTEGER, name VARCHAR, bytes BIGINT, lines BIGINT, unreadable BIGINT, first_unreadable BIGINT, truncated BOOLEAN,
    recorder BIGINT
);

-- Machines that stood in another one's input (timeline/apart.sql).
CREATE TABLE apart (machine INTEGER, taken_from INTEGER, name VARCHAR);

-- Lines that stood twice and were dropped (duplicates.sql).
CREATE TABLE duplicates (machine INTEGER, lines BIGINT);

-- Machines whose samples come faster than their whole-second stamps tell apart, and how many share one at most (duplicates.sql).
CREATE TABLE shared_stamps (machine INTEGER, most BIGINT);

-- Names that the user gave to containers.
CREATE TABLE container_names (container_id VARCHAR, name VARCHAR);

-- Every sample (timeline/samples.sql).
CREATE TABLE samples (
    machine INTEGER, timestamp BIGINT, recording BIGINT, stretch BIGINT, clock DOUBLE, before BIGINT, first BOOLEAN, tick BIGINT, period DOUBLE,
    lateness_ms DOUBLE, counted BOOLEAN
);

-- What the collectors told of themselves (timeline/sessions.sql).
CREATE TABLE sessions (
    machine INTEGER, file INTEGER, place BIGINT, timestamp BIGINT, monotonic DOUBLE, facts JSON, boot_id VARCHAR, identity VARCHAR, recording BIGINT,
    started DOUBLE, period DOUBLE, duration DOUBLE
);

-- How many CPUs each machine has had (components/cores.sql); the macro of cgroups names it.
CREATE TABLE cores (machine INTEGER, cpus DOUBLE);

-- Live import: of each machine the newest sample (ms) that was taken before (store/duckdb/live_after.sql).
CREATE TABLE live_after (machine INTEGER, taken BIGINT);

-- The window that the user asked for (timeline/cut.sql).
CREATE TABLE kept (machine INTEGER, from_timestamp BIGINT, to_timestamp BIGINT);

-- Seconds since the epoch that can be; outside of the years 1970 to 9999 a stamp is damage.
CREATE OR REPLACE MACRO stamp(seconds) AS if(seconds BETWEEN 0 AND 253402300799, seconds, NULL);

CREATE OR REPLACE MACRO place(line, row) AS coalesce(line, row);
