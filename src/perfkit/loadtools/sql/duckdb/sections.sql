-- The stretch of each section that has an operation with a time, ms since the epoch.
SELECT section, min(ended), max(ended) FROM reports WHERE rank IS NOT NULL AND ended IS NOT NULL GROUP BY section ORDER BY 2, 3;
