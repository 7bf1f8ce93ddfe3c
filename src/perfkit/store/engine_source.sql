SELECT {columns} FROM sources WHERE source = ?
