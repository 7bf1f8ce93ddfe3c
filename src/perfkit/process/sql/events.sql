-- The quality events of one source, in the order in which they happened.
SELECT kind, from_timestamp, to_timestamp, subject, missed, detail FROM quality WHERE source = $source
ORDER BY from_timestamp NULLS FIRST, kind, subject
