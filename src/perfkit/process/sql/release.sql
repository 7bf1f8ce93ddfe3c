-- Once every number is taken from the kernel's texts, most of the memory is given back: only the collector's own lines are asked for later.
CREATE OR REPLACE TABLE raw AS FROM raw WHERE starts_with(subsystem, 'perfkit/')
