-- Added to load.sql where the lines will not all stay in memory: each source's texts together, so that what a component reads comes from
-- its own part of the disk, not from all of it.
ORDER BY subsystem
