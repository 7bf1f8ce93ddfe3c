-- The head of quality.json for one machine: what it is, how much of its recordings is there, and what could not be read.
--   end_line  whether every recording ended with a `perfkit/end` line; NULL for other collectors
WITH ends AS (
    SELECT machine, bool_and(ended IS NOT NULL AND ended NOT IN ('cut off', 'still recording')) AS end_line
    FROM recordings SEMI JOIN sessions USING (machine, recording)
    GROUP BY machine
), newest AS (
    SELECT machine, max_by(ended, recording) AS ended FROM recordings GROUP BY machine
), damage AS (
    SELECT machine, sum(lines)::BIGINT AS lines, sum(unreadable)::BIGINT AS unreadable, bool_or(truncated) AS truncated FROM inputs GROUP BY machine
)
SELECT machines.* EXCLUDE (machine, system_info, milliseconds), ended, end_line, coalesce(lines, 0) AS lines, coalesce(unreadable, 0) AS unreadable_lines,
       coalesce(truncated, false) AS truncated
FROM machines LEFT JOIN ends USING (machine) LEFT JOIN newest USING (machine) LEFT JOIN damage USING (machine)
WHERE machine = $machine
