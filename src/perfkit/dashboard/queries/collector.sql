-- One collector: hardware, session and reach of its data.
SELECT * FROM collectors WHERE id = :collector
