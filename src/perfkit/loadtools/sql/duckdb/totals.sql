-- What the reports of some sections add up to. Without a time they count as errors.
WITH chosen AS (
    SELECT * FROM reports WHERE list_contains($sections, section)
), counted AS (
    SELECT min(rank) AS rank FROM chosen
)
SELECT
    counted.rank,
    sum(operations) FILTER (chosen.rank = counted.rank) AS operations,
    count(errors) > 0 AS knows_errors,
    coalesce(sum(errors) FILTER (chosen.rank = counted.rank AND at IS NOT NULL), 0) AS errors,
    coalesce(sum(operations) FILTER (chosen.rank = counted.rank AND at IS NULL), 0) AS untimed,
    coalesce(sum(dropped), 0) AS dropped,
    coalesce(sum(starved), 0) AS starved,
    count(at) FILTER (chosen.rank = counted.rank) AS reports,
    min(at) FILTER (chosen.rank = counted.rank) AS first,
    max(at) FILTER (chosen.rank = counted.rank) AS last
FROM chosen, counted
GROUP BY counted.rank;
