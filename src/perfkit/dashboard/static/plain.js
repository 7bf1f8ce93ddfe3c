// Pages without charts need no script.
