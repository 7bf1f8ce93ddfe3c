INSERT INTO {table} (collector_id, {columns}) SELECT :collector_id, {columns} FROM incoming ON CONFLICT DO NOTHING
