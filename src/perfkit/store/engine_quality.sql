SELECT from_timestamp, to_timestamp, kind, subject, missed, detail FROM quality WHERE source = ?
