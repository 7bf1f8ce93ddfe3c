-- What was imported: the input's own figures.
INSERT INTO collections (collector_id, digest, source, kind, imported_at, first_timestamp, last_timestamp, samples, samples_expected, coverage)
VALUES (:collector_id, :digest, :source, :kind, :imported_at, :first_timestamp, :last_timestamp, :samples, :samples_expected, :coverage)
