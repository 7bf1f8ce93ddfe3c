-- Once every number is taken from the kernel's texts, most of the memory is given back: only the collector's own lines are asked for later.
CREATE OR REPLACE TABLE raw AS FROM raw WHERE starts_with(subsystem, 'perfkit/');
-- From here on far less is needed than before, and what is freed may be kept for the next statement (DuckDB's own settings).
SET allocator_flush_threshold = '128MB';
SET allocator_bulk_deallocation_flush_threshold = '512MB'
