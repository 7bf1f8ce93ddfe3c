"""How well the colours of a chart are told apart, by everyone.

About one man in twelve lacks one kind of cone. What he sees is simulated after Machado, Oliveira and Fernandes (2009, IEEE Transactions on
Visualization and Computer Graphics 15(6), 1291-1298; severity 1), and distances are those of OKLab (Ottosson 2020), times 100: two
colours less than about 2 apart are the same to the eye, 9 are told apart at a glance even in thin lines. Against the ground a line needs a
contrast of 3 (WCAG 2.2, 1.4.11).
"""

from __future__ import annotations

import math
import re
from itertools import combinations

import pytest

from perfkit.dashboard import assets, panels

LEAST_APART = 9.0
LEAST_CONTRAST = 2.99
SEEN = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red cones": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green cones": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
TOKEN = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
TOKENS = {
    name: dict(zip(("light", "dark"), values, strict=True))
    for name, *values in TOKEN.findall(assets.files()["perfkit.css"].content.decode())
}
ALL = (*panels.OVERVIEW, *panels.HOST, *panels.CONTAINERS, *panels.CONTAINER)
SERIES = {
    **{f"{panel.table}: {panel.title}": [colour for _, colour in panel.series] for panel in ALL if len(panel.series) > 1},
    **{f"load: {one['title']}": [series["colour"] for series in one["series"]] for one in panels.LOAD},
    "devices, machines": [f"c{i}" for i in range(1, 11)],
}


def linear(colour: str) -> list[float]:
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def seen_as(colour: str, by: str) -> list[float]:
    """The OKLab coordinates of what an eye makes of `colour`."""
    rgb = linear(colour)
    red, green, blue = (min(1.0, max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True)))) for row in SEEN[by])
    cones = (
        0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue,
        0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue,
        0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue,
    )
    long, middle, short = (math.cbrt(cone) for cone in cones)
    return [
        100 * (0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short),
        100 * (1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short),
        100 * (0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short),
    ]


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        red, green, blue = linear(colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("chart", SERIES)
def test_series_of_a_chart_are_told_apart(chart, scheme):
    """Every pair, by every kind of eye."""
    close = {
        (one, other, by): round(distance, 1)
        for one, other in combinations(dict.fromkeys(SERIES[chart]), 2)
        for by in SEEN
        if (distance := math.dist(seen_as(TOKENS[one][scheme], by), seen_as(TOKENS[other][scheme], by))) < LEAST_APART
    }
    assert not close


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_stand_out_from_their_ground(scheme):
    """Every colour that a series is drawn in, and the marks of gaps and phases."""
    used = {name for names in SERIES.values() for name in names} | {"warn", "mark", "bad"}
    faint = {name: value for name in used if (value := contrast(TOKENS[name][scheme], TOKENS["panel"][scheme])) < LEAST_CONTRAST}
    assert not faint


def test_green_and_rust_were_not():
    """The check finds the pair that the pages had before: 21.6 apart to most, a third of that to others."""
    apart = {by: math.dist(seen_as("#1f8a5b", by), seen_as("#b3541e", by)) for by in SEEN}
    assert apart["all cones"] > 20
    assert apart["no green cones"] < LEAST_APART
