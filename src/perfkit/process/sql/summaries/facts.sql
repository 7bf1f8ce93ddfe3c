-- The head of quality.json for one machine: what it is, how much of its recordings is there, and what could not be read.
--   recorder  the process that still records it; 0 one out of sight
--   kept_from, kept_to  the window that was asked for (ms), NULL where none was
--   end_line  whether every recording ended with a `perfkit/end` line; NULL for other collectors, and where a window cuts all ends off
WITH ends AS (
    SELECT machine, bool_and(ended NOT IN ('cut off', 'still recording')) AS end_line
    FROM recordings SEMI JOIN sessions USING (machine, recording)
    GROUP BY machine
), newest AS (
    SELECT machine, last.ended, if(last.ended = 'still recording', last.recorder, NULL) AS recorder
    FROM (SELECT machine, max_by(recordings, recording) AS last FROM recordings GROUP BY machine)
), damage AS (
    SELECT machine, sum(lines)::BIGINT AS lines, sum(unreadable)::BIGINT AS unreadable, bool_or(truncated) AS truncated FROM inputs GROUP BY machine
)
SELECT machines.* EXCLUDE (machine, system_info, milliseconds), ended, recorder, end_line, coalesce(lines, 0) AS lines, coalesce(unreadable, 0) AS unreadable_lines,
       coalesce(truncated, false) AS truncated, kept.from_timestamp AS kept_from, kept.to_timestamp AS kept_to
FROM machines LEFT JOIN ends USING (machine) LEFT JOIN newest USING (machine) LEFT JOIN damage USING (machine) LEFT JOIN kept USING (machine)
WHERE machine = $machine
