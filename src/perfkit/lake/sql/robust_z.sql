-- How far a value is from its peers: the robust z of Iglewicz and Hoaglin (1993, "How to detect and handle outliers"), 0.6745 (x - median) / MAD.
-- Where more than half of the values are equal, MAD is 0 and the mean absolute deviation takes its place. From 3.5 on a machine is unlike.
CREATE OR REPLACE MACRO robust_z(value, middle, spread, mean_spread) AS
    CASE WHEN spread > 0 THEN 0.6745 * (value - middle) / spread WHEN mean_spread > 0 THEN 0.7979 * (value - middle) / mean_spread ELSE 0 END
