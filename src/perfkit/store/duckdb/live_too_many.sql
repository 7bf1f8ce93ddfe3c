-- How many disks and interfaces of each machine have no rows, because there are so many.
SELECT machine, kind, count(*) FROM devices WHERE NOT kept GROUP BY ALL
