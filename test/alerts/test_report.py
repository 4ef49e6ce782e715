"""The report: whole, self-contained, and nothing from outside can run in it."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest
from fake_results import SMALL, result
from patrol_scene import ahead

from umad_patrol.alerts.report import write_report
from umad_patrol.alerts.store import AlertStore, Stretch
from umad_patrol.alerts.watch import Watch
from umad_patrol.config import Settings
from umad_patrol.errors import StoreError
from umad_patrol.records import Alert

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"
ALERT = Alert("A0001", "active", "anomaly", 0.75, (1.5, -2.25, 0.0), (0.3, 0.7), 10 ** 9, 2 * 10 ** 9, 5)


class Tags(HTMLParser):
    """The names of all tags and attributes of a page, as a browser would read them."""

    def __init__(self):
        super().__init__()
        self.names, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def page(store, tmp_path, **more) -> str:
    return write_report(store, more.pop("poses", np.zeros((0, 3))), tmp_path / "r" / "report.html", **more).read_text(encoding="utf-8")


def test_a_patrol_is_shown_with_its_pictures(tmp_path):
    with AlertStore(tmp_path) as store:
        watch = Watch(Settings(), store)
        things = [((9.0, 0.6), (0.4, 0.3, 0.45), (40, 40, 200)), ((7.0, -1.0), (0.35, 0.35, 0.7), (0, 120, 255))]
        for i, T in enumerate(ahead()):
            watch.observe(result(0.3 * i, T, things, SMALL), lambda image, mask, regions: image)
        watch.finish()
        text = page(store, tmp_path, poses=np.array(ahead()), truth=[{"id": "bag-1", "kind": "bag", "position": [9.0, 0.6, 0.0]}])
    assert text.count("data:image/jpeg;base64,") == 2 * 4
    assert "red is new" in text and "A0001" in text and "A0002" in text and "planted: bag bag-1" in text
    assert "http:" not in text and "https:" not in text and "<script" not in text
    svg = ET.fromstring(re.search(r"<svg.*?</svg>", text, re.S).group())
    assert {"compared"} <= {line.get("class") for line in svg.iter("polyline")}
    assert len([c for c in svg.iter("circle") if c.get("stroke") == "var(--truth)"]) == 1


def test_whatever_strings_hold_is_shown_and_not_run(tmp_path):
    with AlertStore(tmp_path) as store:
        store.save([dataclasses.replace(ALERT, id=EVIL, state=EVIL, class_name=EVIL)])
        store.add_coverage(Stretch(1, 2, (0.0, 0.0, 0.0), 1.0, 3, "no reference", EVIL))
        store.add_coverage(Stretch(1, 2, (0.0, 0.0, 0.0), 1.0, 3, EVIL, EVIL))
        text = page(store, tmp_path, title=EVIL, truth=[{"id": EVIL, "kind": EVIL, "position": (0, 0, 0)}], tables=[(EVIL, [EVIL], [[EVIL]])])
    tags = Tags()
    tags.feed(text)
    assert "&lt;script&gt;" in text and "script" not in tags.names and "onerror" not in tags.attributes


@pytest.mark.parametrize("poses", [np.zeros((0, 4, 4)), np.eye(4)[None], np.full((3, 3), np.nan), np.zeros((2, 3))])
def test_an_empty_patrol_over_any_route_gives_a_page(tmp_path, poses):
    with AlertStore(tmp_path) as store:
        text = page(store, tmp_path, poses=poses, tables=[("More", ["name"], [["one"]]), ("Of nothing", ["name"], [])])
    assert "More" in text and "Of nothing" not in text
    assert "Nothing new was found" in text and "No frame has been seen" in text and "nan" not in text.lower().replace("nanosecond", "")


def test_an_alert_without_evidence_or_with_damaged_pictures_is_still_shown(tmp_path):
    (tmp_path / "evidence" / "A0002").mkdir(parents=True)
    (tmp_path / "evidence" / "A0002" / "query.jpg").write_bytes(b"\xff\xd8 broken")
    with AlertStore(tmp_path) as store:
        store.save([ALERT, dataclasses.replace(ALERT, id="A0002", evidence="evidence/A0002")])
        text = page(store, tmp_path)
    assert text.count("No pictures are kept") == 2


def test_what_is_there_now_comes_first_and_lies_on_top(tmp_path):
    with AlertStore(tmp_path) as store:
        store.save([dataclasses.replace(ALERT, id=f"A000{i}", state=state) for i, state in enumerate(("dismissed", "cleared", "active"), 1)])
        text = page(store, tmp_path)
    assert re.findall(r'<header><span class="pill number">(\d)</span><b>(\w+)</b>', text) == [("1", "A0003"), ("2", "A0002"), ("3", "A0001")]
    assert re.findall(r"<title>(A\d+) ", text) == ["A0001", "A0002", "A0003"]    # what comes last in an SVG hides what lies below
    assert "<b>1</b><span>active alert</span>" in text and "<b>2</b><span>cleared or dismissed</span>" in text


def test_times_are_told_with_their_zone_and_nothing_lies_at_minus_zero(tmp_path):
    with AlertStore(tmp_path) as store:
        first = 1_750_095_000 * 10**9
        store.save([dataclasses.replace(ALERT, position=(1.0, -0.001, -0.004), first_seen_ns=first, last_seen_ns=first + 10**10)])
        store.add_coverage(Stretch(first, first + 10**9, (3.0, -0.01, 0.0), 1.0, 3, "no reference", "far away"))
        text = page(store, tmp_path)
    assert "2025-06-16 17:30:00 to 2025-06-16 17:30:10 UTC" in text
    assert "x 1.00, y 0.00, z 0.00 m" in text and "(3.0, 0.0)" in text


def test_coverage_is_summed_up_by_reason_whatever_the_numbers(tmp_path):
    with AlertStore(tmp_path) as store:
        for i in range(4):
            store.add_coverage(Stretch(i, i, (float(i), 0.0, 0.0), 0.5, 2, "no reference", f"nearest is {i}.5 m away"))
        text = page(store, tmp_path)
    assert len(re.findall(r"<td>no reference</td>", text)) == 1 and "<td>2.0</td><td>8</td>" in text


@pytest.mark.parametrize("statuses, says", [(("compared",), "Nothing new was found."), (("compared", "no reference"), "Nothing new was found where pictures could be compared."),
                                            (("no reference", "not comparable"), "No picture could be compared, so nothing is known")])
def test_a_patrol_that_saw_nothing_does_not_say_that_nothing_is_there(tmp_path, statuses, says):
    with AlertStore(tmp_path) as store:
        for i, status in enumerate(statuses):
            store.add_coverage(Stretch(i, i, (float(i), 0.0, 0.0), 0.5, 2, status, "why"))
        text = page(store, tmp_path)
    assert says in text and text.count("Nothing new was found") + text.count("nothing is known") == 1


def test_a_report_that_cannot_be_written_is_named(tmp_path):
    with AlertStore(tmp_path) as store, pytest.raises(StoreError, match="cannot write report"):
        write_report(store, np.zeros((0, 3)), "/proc/nowhere/report.html")
