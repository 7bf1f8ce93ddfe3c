"""perfkit: record a Linux machine during a load test, and know that it was recorded."""

__version__ = "1.0.0"
