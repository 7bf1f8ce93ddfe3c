CREATE TABLE sources AS SELECT $source::INTEGER AS source, $milliseconds::BOOLEAN AS milliseconds
