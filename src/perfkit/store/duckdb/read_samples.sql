-- samples.csv as `process` writes it: the instant in ms, the recording, the tick and how late the sample was.
SELECT epoch_ms(timestamp) AS timestamp, recording, tick, lateness_ms
FROM read_csv($path, header = true, auto_detect = false, nullstr = '', columns = {'timestamp': 'TIMESTAMPTZ', 'recording': 'BIGINT', 'tick': 'BIGINT', 'lateness_ms': 'DOUBLE'})
ORDER BY recording, tick, timestamp
