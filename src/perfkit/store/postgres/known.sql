SELECT 1 FROM collections WHERE collector_id = :id AND digest = :digest
