SELECT source, min(timestamp), max(timestamp) FROM host JOIN live_after USING (source) WHERE timestamp > after GROUP BY source
