-- CPU busy (%; neither idle nor waiting for I/O) of a source in its phases, or in all of it where nothing is marked.
WITH series AS (
    SELECT coalesce(phase, 'all') AS phase, host.timestamp, 100 - cpu_idle - cpu_iowait AS value
    FROM host LEFT JOIN phases ON phases.source = host.source
    WHERE host.source = $source AND (phase IS NULL OR (host.timestamp > phases.since AND host.timestamp <= phases.until))
)
