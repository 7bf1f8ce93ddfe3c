-- Whether a rule about two runs holds: false where one of its facts is not known of both. SQLite runs it.
SELECT coalesce({when}, false) FROM (SELECT {a}) AS a CROSS JOIN (SELECT {b}) AS b
