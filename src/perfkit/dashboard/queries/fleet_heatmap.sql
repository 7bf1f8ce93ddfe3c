-- A metric by machine and time: its average in each bucket of :width ms, from a rollup whose buckets are no wider. Of a metric of several
-- devices a cell has the device that is worst.
SELECT collector, bucket, {worst}(value) AS value
FROM (
    SELECT c.id AS collector, m.timestamp - m.timestamp % :width AS bucket,
           sum(m.{column}_avg * m.samples) / sum(CASE WHEN m.{column}_avg IS NOT NULL THEN m.samples END) AS value
    FROM collectors AS c CROSS JOIN {table} AS m ON m.collector_id = c.id AND m.timestamp BETWEEN :start AND :end
    WHERE (:site IS NULL OR c.sitename = :site) AND (:collector IS NULL OR c.id = :collector) AND c.last_timestamp >= :start
    GROUP BY c.id, bucket{device}
)
WHERE value IS NOT NULL
GROUP BY collector, bucket
ORDER BY collector, bucket
