    SELECT {device} AS device, {columns} FROM {source} WHERE timestamp BETWEEN $start AND $end
