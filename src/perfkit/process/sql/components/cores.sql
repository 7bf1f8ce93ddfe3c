-- How many CPUs each machine has had: as its sessions say, or more where some came later. No table of the output's; a bound for those that follow.
SELECT machine, max(cpus) AS cpus
FROM (
    SELECT machine, sane(try_cast(facts ->> '$.cpus' AS DOUBLE)) AS cpus FROM sessions
    UNION ALL
    SELECT machine, count(DISTINCT cpu) FROM cpu WHERE cpu <> 'all' GROUP BY machine
)
GROUP BY machine
