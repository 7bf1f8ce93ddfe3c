-- The stretch of each section that has an operation with a time, ms since the epoch.
SELECT section, min(at), max(at) FROM reports WHERE rank IS NOT NULL AND at IS NOT NULL GROUP BY section ORDER BY 2, 3;
