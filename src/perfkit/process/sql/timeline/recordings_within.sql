-- The recordings, their gaps and runs in the window that the user asked for: recordings and runs are clipped to it, and what it cuts off has
-- no end here; a gap that it cuts keeps its length.
CREATE OR REPLACE TABLE recordings AS
SELECT r.* REPLACE (greatest(r.from_timestamp, kept.from_timestamp) AS from_timestamp, least(r.to_timestamp, kept.to_timestamp) AS to_timestamp,
                    s.samples AS samples, s.last_timestamp AS last_timestamp, s.last_tick AS last_tick,
                    if(r.to_timestamp <= kept.to_timestamp, r.due_tick, NULL) AS due_tick,
                    if(r.begun_timestamp >= kept.from_timestamp, r.begun_timestamp, NULL) AS begun_timestamp,
                    if(r.to_timestamp <= kept.to_timestamp, r.ended, NULL) AS ended, s.largest_lateness_ms AS largest_lateness_ms)
FROM recordings AS r
JOIN kept USING (machine)
JOIN (SELECT machine, recording, count(*) FILTER (counted) AS samples, max(timestamp) AS last_timestamp, max(tick) AS last_tick, max(lateness_ms) AS largest_lateness_ms
      FROM samples GROUP BY machine, recording) AS s USING (machine, recording);

CREATE OR REPLACE TABLE gaps AS
SELECT g.* FROM gaps AS g JOIN kept ON kept.machine = g.machine AND g.from_timestamp <= kept.to_timestamp AND g.to_timestamp >= kept.from_timestamp;

CREATE OR REPLACE TABLE runs AS
SELECT r.* REPLACE (greatest(r.from_timestamp, kept.from_timestamp) AS from_timestamp, least(r.to_timestamp, kept.to_timestamp) AS to_timestamp,
                    if(r.to_timestamp <= kept.to_timestamp, r.marked, 0) AS marked)
FROM runs AS r JOIN kept ON kept.machine = r.machine AND r.from_timestamp <= kept.to_timestamp AND r.to_timestamp >= kept.from_timestamp
