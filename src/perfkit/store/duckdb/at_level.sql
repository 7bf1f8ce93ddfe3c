-- The value at a level from 0 to 1 of a sorted list, between neighbours, as quantile_cont.
CREATE OR REPLACE MACRO at_level(sorted, level) AS
    sorted[1 + floor((len(sorted) - 1) * level)::BIGINT] + ((len(sorted) - 1) * level - floor((len(sorted) - 1) * level))
    * (sorted[least(2 + floor((len(sorted) - 1) * level)::BIGINT, len(sorted))] - sorted[1 + floor((len(sorted) - 1) * level)::BIGINT])
