-- One event for each kind and subject of a live machine: the first makes it, further ones bring its end, its count and its detail up to date.
INSERT OR REPLACE INTO quality_events (collector_id, from_timestamp, to_timestamp, kind, subject, missed, detail)
SELECT :collector_id, coalesce(min(from_timestamp), :from_timestamp), max(coalesce(max(to_timestamp), :to_timestamp), :to_timestamp), :kind, :subject,
       CASE WHEN :adds THEN coalesce(sum(missed), 0) + :missed ELSE max(coalesce(max(missed), 0), :missed) END, :detail
FROM quality_events WHERE collector_id = :collector_id AND kind = :kind AND subject = :subject
