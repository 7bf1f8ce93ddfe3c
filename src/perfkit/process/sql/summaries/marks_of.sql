-- The marks of one machine, in the order in which they were made.
SELECT timestamp, kind, label, recording, row_number() OVER (ORDER BY timestamp, place) AS place FROM marks WHERE machine = $machine ORDER BY timestamp, place
