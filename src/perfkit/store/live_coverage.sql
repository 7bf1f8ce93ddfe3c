UPDATE collections SET coverage = 100.0 * samples / max(samples_expected, 1) WHERE collector_id = :id AND digest = 'live'
