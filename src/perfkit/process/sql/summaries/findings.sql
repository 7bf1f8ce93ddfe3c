-- How often the rules that read {of} held in each window of `asked` (number, range, from_timestamp, to_timestamp, window_samples), per subject. The rules
-- come from process/rules.toml; a sample without a value counts for none of them.
WITH counted AS (
    SELECT range, ({subject})::VARCHAR AS whose, [{rules}] AS rules
    FROM {of} JOIN asked ON machine = number AND timestamp BETWEEN from_timestamp AND to_timestamp
    GROUP BY 1, 2
), told AS (
    SELECT range, whose, unnest(rules) AS one FROM counted
)
SELECT range, whose, one.rule, one.samples, one.beyond, one.first, one.last, one.worst FROM told WHERE one.beyond > 0 AND one.holds
