"""The collector: what runs beside somebody's load test. Target tier."""
