-- The recordings of the window that the user asked for: clipped to it, and without those that lie outside.
CREATE OR REPLACE TABLE recordings AS
SELECT r.* REPLACE (greatest(r.from_timestamp, kept.from_timestamp) AS from_timestamp, least(r.to_timestamp, kept.to_timestamp) AS to_timestamp,
                    s.samples AS samples, s.last_timestamp AS last_timestamp, s.last_tick AS last_tick,
                    if(r.to_timestamp <= kept.to_timestamp, r.due_tick, NULL) AS due_tick, s.largest_lateness_ms AS largest_lateness_ms)
FROM recordings AS r
JOIN kept USING (machine)
JOIN (SELECT machine, recording, count(*) AS samples, max(timestamp) AS last_timestamp, max(tick) AS last_tick, max(lateness_ms) AS largest_lateness_ms
      FROM samples GROUP BY machine, recording) AS s USING (machine, recording);

CREATE OR REPLACE TABLE runs AS
SELECT r.* REPLACE (greatest(r.from_timestamp, kept.from_timestamp) AS from_timestamp, least(r.to_timestamp, kept.to_timestamp) AS to_timestamp)
FROM runs AS r JOIN kept ON kept.machine = r.machine AND r.from_timestamp <= kept.to_timestamp AND r.to_timestamp >= kept.from_timestamp
