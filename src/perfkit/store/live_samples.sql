SELECT source, {columns} FROM {table}
