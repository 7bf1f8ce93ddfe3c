SELECT coalesce(max(until), 0) FROM levels WHERE collector_id = :collector_id AND width_ms = :width
