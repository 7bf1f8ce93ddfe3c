-- What a finding shows of itself: the samples that it was found in. A reader runs it, in the folder of `process` or on the database.
SELECT {columns} FROM {of} WHERE {machine}timestamp BETWEEN {start} AND {end} AND ({when}){subject} ORDER BY timestamp
