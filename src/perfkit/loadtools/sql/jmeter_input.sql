-- JMeter's results as CSV (.jtl): one line a sample; timeStamp is its start, as JMeter's own jmeter.properties sets it.
CREATE TEMP TABLE results AS
SELECT * FROM read_csv($file, header = true, delim = ',', quote = '"', escape = '"', all_varchar = true, null_padding = true, strict_mode = false, parallel = false);
