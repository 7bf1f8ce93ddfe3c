-- The samples of one run or phase, and their averages by the whole minutes in it, for a run of which nothing is stored, as while it is recorded.
SELECT sum(samples), {averages} FROM host_metrics_1m WHERE collector_id = :collector AND timestamp >= :from AND timestamp <= :to - 59999
