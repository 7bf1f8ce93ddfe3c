SELECT source, timestamp, kind, label FROM marks
