-- A live importer runs for weeks: what a second needed is given back to the system, not kept for the next.
SET allocator_flush_threshold = '1MB';
SET allocator_bulk_deallocation_flush_threshold = '1MB';
