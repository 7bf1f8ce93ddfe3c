"""The host page: an index, sections that fold, and pickers that suit four devices and sixty-four."""

from __future__ import annotations

import pytest

SECTIONS = ["CPU", "Memory", "Disks", "Interfaces", "Filesystems", "Pressure", "TCP", "Limits"]


def test_the_index_stays_and_leads(large, open_page):
    """It names every section, stays in sight, marks where one is, and opens what was folded."""
    page = open_page(f"{large.url}/collectors/1/host?fold=tcp")
    assert page.locator("#index a").all_inner_texts() == SECTIONS
    assert page.locator("#index [aria-current]").all_inner_texts() == ["CPU"]
    page.click("#index a:has-text('TCP')")
    page.wait_for_selector("#index [aria-current]:has-text('TCP')")
    assert page.locator("#section-tcp").get_attribute("open") is not None
    assert page.locator("#panel-segments canvas").is_visible()
    place = page.locator("#index").bounding_box()
    assert 0 <= place["y"] < 120, "still in sight"
    head = page.locator("#section-tcp > summary").bounding_box()
    assert head["y"] >= place["y"] + place["height"] - 1, "and hides nothing of what it leads to"


def test_a_folded_section_is_folded_for_whoever_gets_the_link(large, open_page):
    """What was folded before the page was drawn is drawn when it is opened."""
    page = open_page(f"{large.url}/collectors/1/host")
    page.click("#section-memory > summary")
    page.wait_for_function("location.search.includes('fold=memory')")
    other = open_page(page.url)
    assert not other.locator("#panel-used").is_visible()
    other.click("#section-memory > summary")
    other.wait_for_selector("#panel-used canvas")
    other.wait_for_url(lambda url: "fold" not in url)


def test_sixty_four_cpus_are_a_heat_map_and_a_list(large, open_page):
    """A row each, no box each; a click on a row shows that CPU's states, and a button takes them away."""
    page = open_page(f"{large.url}/collectors/1/host", viewport={"width": 1440, "height": 900})
    rows = page.evaluate("async () => (await window.perfkit).panels.find((p) => p.name === 'cores').devices")
    assert rows == [str(i) for i in range(64)]
    assert page.locator("#section-cpu input[type=checkbox]").count() == 0
    assert page.locator("#section-cpu .picker button").all_inner_texts() == ["All CPUs ×"]
    assert page.locator("#section-cpu .picker option").count() == 65
    over = page.locator("#panel-cores .u-over").bounding_box()
    page.mouse.click(over["x"] + over["width"] / 2, over["y"] + over["height"] * 20.5 / 64)
    page.wait_for_selector("[id='panel-states.20'] canvas")
    assert page.locator("#section-cpu .picker button").all_inner_texts() == ["All CPUs ×", "CPU 20 ×"]
    page.click("#section-cpu .picker button:has-text('All CPUs')")
    page.wait_for_selector("[id='panel-states.all']", state="detached")
    page.wait_for_url(lambda url: url.endswith("?cpu=20"))


def test_disks_come_before_what_is_made_of_them(large, open_page):
    """sda before loop0, in the picker, in legends and in the tables."""
    page = open_page(f"{large.url}/collectors/1/host")
    expected = ["nvme0n1", "sda", "sda1", "sdb", "loop0", "loop1"]
    assert page.locator("#section-disks .picker label").all_inner_texts() == expected
    page = open_page(f"{large.url}/collectors/1/tables?q=await+await")
    page.wait_for_selector("#table-disk")
    devices = page.locator("#table-disk tbody td.device-column").all_inner_texts()
    assert list(dict.fromkeys(devices)) == expected
    page = open_page(f"{large.url}/collectors/1")
    names = page.evaluate("async () => (await window.perfkit).panels.find((p) => p.name === 'util').shown.series.map((s) => s.label)")
    assert names == ["nvme0n1", "sda", "sdb"], "the overview has whole disks"


def test_the_heat_map_reads_out_its_rows(large, open_page):
    """The row under the mouse, and its value."""
    page = open_page(f"{large.url}/collectors/1/host", viewport={"width": 1440, "height": 900})
    over = page.locator("#panel-cores .u-over").bounding_box()
    page.mouse.move(over["x"] + over["width"] / 2, over["y"] + over["height"] * 3.5 / 64)
    page.wait_for_selector("#panel-cores .head:has-text('CPU 3 at')")
    words = page.inner_text("#panel-cores .head")
    index = page.evaluate("async () => (await window.perfkit).panels[0].chart.cursor.idx")
    value = page.evaluate(f"async () => (await window.perfkit).panels[0].cells[3][{index}]")
    assert float(words.split()[-2]) == pytest.approx(value, abs=0.05)
