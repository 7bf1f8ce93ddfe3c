"""The collector: what runs next to somebody's load test. Target tier."""
