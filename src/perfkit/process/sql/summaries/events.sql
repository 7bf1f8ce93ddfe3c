-- The quality events of one machine, in the order in which they happened.
SELECT kind, from_timestamp, to_timestamp, subject, missed, detail, recording FROM quality WHERE machine = $machine
ORDER BY from_timestamp, kind, subject, to_timestamp
