-- A collector's marks in time order.
SELECT timestamp, kind, label FROM marks WHERE collector_id = :collector ORDER BY timestamp, kind, label
