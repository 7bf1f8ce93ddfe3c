-- The samples of a part of a run, and their averages by the buckets of :width ms that lie in it: for a run of which nothing is stored, as while it
-- is recorded.
SELECT sum(samples), {averages} FROM {table} WHERE collector_id = :collector AND timestamp >= :from AND timestamp <= :to - :width + 1
