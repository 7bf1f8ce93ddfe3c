WITH added AS (
    INSERT INTO collectors (machinename, sitename) VALUES (:name, :site) ON CONFLICT DO NOTHING RETURNING id
)
SELECT id FROM added
UNION ALL
SELECT id FROM collectors WHERE machinename = :name AND sitename = :site
LIMIT 1
