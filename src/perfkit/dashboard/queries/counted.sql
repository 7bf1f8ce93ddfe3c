-- Whether the newest sample of a device is part of the host's total.
SELECT in_total FROM {table} WHERE collector_id = :collector AND {device} = :device ORDER BY timestamp DESC LIMIT 1
