SELECT DISTINCT coalesce(facts ->> '$.hostname', facts ->> '$.machine_id') AS name FROM sessions WHERE name IS NOT NULL ORDER BY name
