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
    coalesce(sum(errors) FILTER (chosen.rank = counted.rank AND ended IS NOT NULL), 0) AS errors,
    coalesce(sum(operations) FILTER (chosen.rank = counted.rank AND ended IS NULL), 0) AS untimed,
    coalesce(sum(dropped), 0) AS dropped,
    coalesce(sum(starved) FILTER (chosen.rank IS NULL OR chosen.rank = counted.rank), 0) AS starved,
    count(ended) FILTER (chosen.rank = counted.rank) AS reports,
    min(ended) FILTER (chosen.rank = counted.rank) AS first,
    max(ended) FILTER (chosen.rank = counted.rank) AS last
FROM chosen, counted
GROUP BY counted.rank;
