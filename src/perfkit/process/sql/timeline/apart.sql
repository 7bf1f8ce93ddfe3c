-- Takes apart what one input mixes: sessions of several machines, and several boots at once under one name (machines that were cloned, each in
-- a file of its own). The first machine keeps its number, the others get new ones. Runs only where there is more than one boot.
--   apart  machine, the number it had, the name that its sessions give
CREATE OR REPLACE TABLE owned AS
WITH owners AS (
    SELECT machine, file, place, recording, boot_id, coalesce(facts ->> '$.hostname', '') || ' ' || coalesce(facts ->> '$.machine_id', '') AS owner,
           facts ->> '$.hostname' AS name
    FROM sessions
)
SELECT raw.rowid AS row, raw.machine, raw.file, raw.timestamp, s.recording, s.boot_id, s.owner, s.name, place(raw.line, raw.rowid) AS place
FROM raw ASOF JOIN owners AS s ON s.machine = raw.machine AND s.file = raw.file AND s.place <= place(raw.line, raw.rowid);

CREATE OR REPLACE TABLE apart_of AS
WITH boots AS (
    SELECT machine, owner, boot_id, any_value(name) AS name, min(timestamp) AS from_timestamp, max(timestamp) AS to_timestamp, list(DISTINCT file) AS files,
           min(place) AS place
    FROM owned GROUP BY machine, owner, boot_id
), cloned AS (
    SELECT b.*, EXISTS (
        SELECT 1 FROM boots AS o
        WHERE o.machine = b.machine AND o.owner = b.owner AND o.place < b.place AND o.to_timestamp > b.from_timestamp
          AND o.from_timestamp < b.to_timestamp AND NOT list_has_any(o.files, b.files)
    ) AS clone
    FROM boots AS b
), keyed AS (
    SELECT *, owner || if(clone, ' ' || coalesce(boot_id, ''), '') AS key, min(place) OVER (PARTITION BY machine, owner || if(clone, ' ' || coalesce(boot_id, ''), ''))
               AS first_place
    FROM cloned
), ranked AS (
    SELECT *, dense_rank() OVER (PARTITION BY machine ORDER BY first_place) AS turn FROM keyed
)
SELECT machine, owner, boot_id, name,
       if(turn = 1, machine, (SELECT max(machine) FROM raw) + dense_rank() OVER (PARTITION BY turn = 1 ORDER BY machine, turn)) AS number
FROM ranked;

UPDATE raw SET machine = number FROM owned JOIN apart_of USING (machine, owner, boot_id) WHERE raw.rowid = owned.row AND number <> raw.machine;

CREATE OR REPLACE TABLE apart AS SELECT DISTINCT number AS machine, machine AS taken_from, name FROM apart_of WHERE number <> machine;

DROP TABLE owned;

DROP TABLE apart_of
