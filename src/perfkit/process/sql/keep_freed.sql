-- Memory that is freed may wait for its next use: no page of it has to be had from the kernel again.
RESET allocator_flush_threshold;
RESET allocator_bulk_deallocation_flush_threshold;
