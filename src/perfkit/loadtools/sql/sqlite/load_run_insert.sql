INSERT INTO load_runs
    (collector_id, run, tool, source, digest, imported_at, first_timestamp, last_timestamp, requests, errors, summary)
VALUES (:collector_id, :run, :tool, :source, :digest, :imported_at, :first, :last, :requests, :errors, :summary)
