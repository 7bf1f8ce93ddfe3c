-- The fixed tables. The metric tables and their rollups are made from perfkit.catalog by metric_table.sql and rollup_table.sql; so are the
-- columns that stand for what the catalog lists here: {{machine}} is catalog.MACHINE, {{figures}} catalog.FIGURES.
-- Every `timestamp` and `*_timestamp` is INTEGER milliseconds since the epoch, UTC.

-- One machine at one site. A machine is known by both names: the same name on another site is another collector.
CREATE TABLE collectors (
    id               INTEGER PRIMARY KEY,
    machinename      TEXT NOT NULL,
    sitename         TEXT NOT NULL,
    {machine},
    system_info      TEXT,     -- system_info.json, whole
    session          TEXT,     -- the newest collection's session, JSON
    period_ms        REAL,     -- between two samples
    first_timestamp  INTEGER,  -- of host_metrics and its rollups, whatever was pruned since
    last_timestamp   INTEGER,
    samples          INTEGER NOT NULL DEFAULT 0,  -- recorded, whatever was pruned since
    last_run         INTEGER NOT NULL DEFAULT 0,  -- the highest number that a run was ever given
    UNIQUE (machinename, sitename)
);

-- What was imported. `digest` is the input's SHA-256; a live collector has one row, whose digest is 'live'.
CREATE TABLE collections (
    id               INTEGER PRIMARY KEY,
    collector_id     INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    digest           TEXT NOT NULL,
    source           TEXT NOT NULL,  -- the file or folder it came from
    kind             TEXT NOT NULL,  -- collection, folder, host.csv, live, late
    imported_at      INTEGER NOT NULL,
    first_timestamp  INTEGER,
    last_timestamp   INTEGER,
    samples          INTEGER NOT NULL DEFAULT 0,  -- recorded; the first of a collection has no row in host_metrics
    samples_expected INTEGER,
    coverage         REAL,           -- %
    UNIQUE (collector_id, digest)
);

-- How far each resolution of a collector reaches; `width_ms` 0 is the metric tables themselves, the others are the rollups.
CREATE TABLE levels (
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    width_ms       INTEGER NOT NULL,
    from_timestamp INTEGER NOT NULL,  -- what lies before was pruned
    until          INTEGER NOT NULL,  -- every bucket that ends at or before it is there
    PRIMARY KEY (collector_id, width_ms)
) WITHOUT ROWID;

-- Copies of the samples by column, from which DuckDB answers percentiles of any window: <name>.parquet in the folder <database>.columns.
-- A cache: a segment holds every sample of [from_timestamp, until), and whatever changes one of them deletes the segment.
CREATE TABLE segments (
    name           TEXT PRIMARY KEY,
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    table_name     TEXT NOT NULL,
    from_timestamp INTEGER NOT NULL,
    until          INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX segments_of ON segments (collector_id, table_name, from_timestamp);

-- Percentiles of the five ranges, and of the runs (run:N) and their phases (run:N:PHASE); `metric` is <catalog table>.<column>, `device` is '' for host-wide metrics.
CREATE TABLE percentiles (
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    range          TEXT NOT NULL,
    metric         TEXT NOT NULL,
    device         TEXT NOT NULL DEFAULT '',
    from_timestamp INTEGER NOT NULL,
    to_timestamp   INTEGER NOT NULL,
    {figures},
    PRIMARY KEY (collector_id, range, metric, device)
) WITHOUT ROWID;

-- One collector's stretch from its session line to its end line, or to its last sample (process/sql/timeline/recordings.sql). Two that were
-- imported from a growing file, its rotated parts or its stream are one: `identity` tells.
CREATE TABLE recordings (
    collector_id        INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    recording           INTEGER NOT NULL,  -- counts from 1, in the order in which this database first saw them
    identity            TEXT NOT NULL,
    boot_id             TEXT,
    from_timestamp      INTEGER NOT NULL,
    to_timestamp        INTEGER NOT NULL,
    last_timestamp      INTEGER NOT NULL,  -- of its last sample
    period_ms           REAL,
    duration            REAL,              -- promised, seconds
    samples             INTEGER NOT NULL DEFAULT 0,
    last_tick           INTEGER NOT NULL DEFAULT 0,
    due_tick            INTEGER,
    largest_lateness_ms REAL,
    ended               TEXT,
    begun_timestamp     INTEGER,           -- when it began, with tick 0; NULL where that is not known
    PRIMARY KEY (collector_id, recording)
) WITHOUT ROWID;

CREATE UNIQUE INDEX recordings_by_identity ON recordings (collector_id, identity);

-- Every sample that counts, once (process/sql/timeline/samples.sql): what coverage and gaps are counted from.
CREATE TABLE samples (
    collector_id INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    timestamp    INTEGER NOT NULL,
    recording    INTEGER NOT NULL,
    tick         INTEGER NOT NULL,  -- its number in the recording; what is between two neighbours' is missing
    lateness_ms  REAL,
    PRIMARY KEY (collector_id, timestamp)
) WITHOUT ROWID;

-- The runs and their phases (process/sql/timeline/runs.sql). A run's number never changes: it counts in the order in which this database
-- first saw the runs of a collector. Both ends of the window are included.
CREATE TABLE runs (
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    run            INTEGER NOT NULL,
    label          TEXT NOT NULL,
    recording      INTEGER NOT NULL,
    from_timestamp INTEGER NOT NULL,
    to_timestamp   INTEGER NOT NULL,
    open           INTEGER NOT NULL,  -- 1 where no mark closed it
    marked         INTEGER NOT NULL,  -- 0 for a recording without marks
    PRIMARY KEY (collector_id, run)
) WITHOUT ROWID;

CREATE TABLE phases (
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    run            INTEGER NOT NULL,
    phase          TEXT NOT NULL,
    label          TEXT NOT NULL,
    recording      INTEGER NOT NULL,
    from_timestamp INTEGER NOT NULL,
    to_timestamp   INTEGER NOT NULL,
    open           INTEGER NOT NULL,
    PRIMARY KEY (collector_id, run, phase)
) WITHOUT ROWID;

-- What a run or a phase means (process/findings.py), for the windows that percentiles are stored for: its findings in the order of the
-- rules, and how high each resource was (JSON). A window without a row in `judged` was not judged yet. `comparable` is what comparisons know of
-- it besides `estimates` (store/comparable.py), as JSON; NULL where that was not made, as of long windows.
CREATE TABLE judged (
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    range          TEXT NOT NULL,
    from_timestamp INTEGER NOT NULL,
    to_timestamp   INTEGER NOT NULL,
    levels         TEXT NOT NULL,
    comparable     TEXT,
    PRIMARY KEY (collector_id, range)
) WITHOUT ROWID;

-- Knee and cost of a request of a run or a phase under load (loadtools/capacity.py), kept by the import that brought samples or load.
CREATE TABLE capacities (
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    range          TEXT NOT NULL,
    from_timestamp INTEGER NOT NULL,
    to_timestamp   INTEGER NOT NULL,
    told           TEXT NOT NULL,  -- JSON, as the API has it
    PRIMARY KEY (collector_id, range)
) WITHOUT ROWID;

-- Each figure of each metric of a run or phase with its 95 % interval (duckdb/estimates.sql), which comparisons are made of.
CREATE TABLE estimates (
    collector_id INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    range        TEXT NOT NULL,
    metric       TEXT NOT NULL,
    device       TEXT NOT NULL,
    figure       TEXT NOT NULL,
    value        REAL NOT NULL,
    low          REAL,
    high         REAL,
    spread       REAL NOT NULL,
    n            INTEGER NOT NULL,
    n_effective  REAL NOT NULL,
    drift        REAL,
    first_third  REAL,
    last_third   REAL
);

CREATE INDEX estimates_of ON estimates (collector_id, range);

CREATE TABLE findings (
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    range          TEXT NOT NULL,
    place          INTEGER NOT NULL,  -- orders the findings of a window
    rule           TEXT NOT NULL,
    kind           TEXT NOT NULL,     -- utilisation, saturation, errors, trust
    resource       TEXT NOT NULL,     -- what is at its limit: cpu, memory, disk, network; '' for none
    subject        TEXT NOT NULL,     -- the worst device, container, mount point
    more           INTEGER NOT NULL,  -- how many others are like it
    sentence       TEXT NOT NULL,
    advice         TEXT NOT NULL,
    from_timestamp INTEGER NOT NULL,
    to_timestamp   INTEGER NOT NULL,
    share          REAL NOT NULL,     -- % of the window's samples
    worst          REAL,
    source         TEXT NOT NULL,
    sql            TEXT NOT NULL,     -- lists the samples it was found in
    PRIMARY KEY (collector_id, range, place)
) WITHOUT ROWID;

CREATE TABLE marks (
    collector_id INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    timestamp    INTEGER NOT NULL,
    kind         TEXT NOT NULL,  -- start, end, point
    label        TEXT NOT NULL,
    recording    INTEGER NOT NULL DEFAULT 1,
    place        INTEGER NOT NULL DEFAULT 0,  -- orders marks of one instant
    told         TEXT,           -- its label in the collection, where it was renamed
    PRIMARY KEY (collector_id, timestamp, kind, label)
) WITHOUT ROWID;

-- What quality.json lists (process/sql/summaries/quality.sql tells the kinds).
CREATE TABLE quality_events (
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    from_timestamp INTEGER NOT NULL,
    to_timestamp   INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    subject        TEXT NOT NULL DEFAULT '',  -- the device or counter it happened to
    missed         INTEGER,                   -- samples
    detail         TEXT,
    recording      INTEGER,
    PRIMARY KEY (collector_id, from_timestamp, kind, subject)
) WITHOUT ROWID;

-- Up to where each journal of received lines was taken in, and the lines that the next sample of a collector is computed from.
CREATE TABLE live_positions (
    journal  TEXT PRIMARY KEY,
    position TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE live_lines (
    collector_id INTEGER PRIMARY KEY REFERENCES collectors (id) ON DELETE CASCADE,
    lines        BLOB NOT NULL,  -- JSON, zlib
    waits        INTEGER NOT NULL DEFAULT 1  -- whether there are samples among them that are in no table yet
);

-- One run of a load tool against a collector's machine, and its timeline.
CREATE TABLE load_runs (
    id              INTEGER PRIMARY KEY,
    collector_id    INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    run             TEXT NOT NULL,
    tool            TEXT NOT NULL,
    source          TEXT NOT NULL,
    digest          TEXT NOT NULL,
    imported_at     INTEGER NOT NULL,
    first_timestamp INTEGER,
    last_timestamp  INTEGER,
    requests        INTEGER,
    errors          INTEGER,
    summary         TEXT,  -- the tool's own closing figures, JSON
    UNIQUE (collector_id, run)
);

CREATE TABLE load_metrics (
    collector_id   INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    run            TEXT NOT NULL,
    timestamp      INTEGER NOT NULL,
    users          REAL,     -- threads, connections or virtual users at work
    throughput     REAL,     -- requests or transactions per second
    errors         REAL,     -- per second
    latency_avg_ms REAL,
    latency_p50_ms REAL,
    latency_p90_ms REAL,
    latency_p95_ms REAL,
    latency_p99_ms REAL,
    latency_max_ms REAL,
    PRIMARY KEY (collector_id, run, timestamp)
) WITHOUT ROWID;
