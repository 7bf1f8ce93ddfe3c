SELECT timestamp, kind, label FROM marks WHERE source = ?
