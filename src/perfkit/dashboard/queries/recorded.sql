-- How complete a collector's recording is.
SELECT
    (SELECT sum(samples) FROM collections WHERE collector_id = :collector) AS samples,
    (SELECT sum(samples_expected) FROM collections WHERE collector_id = :collector) AS expected,
    (SELECT count(*) FROM quality_events WHERE collector_id = :collector AND kind = 'gap') AS gaps,
    (SELECT max(to_timestamp - from_timestamp) FROM quality_events WHERE collector_id = :collector AND kind = 'gap') AS longest_gap,
    (SELECT count(*) FROM quality_events WHERE collector_id = :collector AND kind <> 'gap') AS other_events,
    EXISTS (SELECT 1 FROM container_metrics WHERE collector_id = :collector) AS containers
