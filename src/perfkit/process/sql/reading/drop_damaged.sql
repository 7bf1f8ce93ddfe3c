-- Lines that could not be read.
DELETE FROM raw WHERE timestamp IS NULL OR subsystem IS NULL OR measurement IS NULL
