"""The charts: well-formed, readable, the same for the same numbers, and harmless whatever they are given."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from molecular_design import plots
from molecular_design.plots import Band, Bar, Dot, Line, Text, line_chart, scatter, ticks, timeline

HOSTILE = "</title><script>alert(1)</script>\"' onload=x &amp;"
SVG = "{http://www.w3.org/2000/svg}"
TEXT = Text("A title", "What there is to see", "x", "y")


def parsed(chart: str) -> ElementTree.Element:
    """The chart as XML, which raises where it is not well-formed."""
    root = ElementTree.fromstring(chart)  # noqa: S314 - it is our own
    assert root.tag == f"{SVG}svg"
    return root


def charts(text: str = "label") -> list[str]:
    """One chart of each kind with ``text`` wherever text may stand."""
    said = Text(text, text, text, text)
    dots = [Dot(1.0, 2.0, text, f"#{text}", text), Dot(2.0, 3.0, text)]
    lines = [Line(text, [(0.0, 1.0), (1.0, 3.0)], text, steps=True), Line(text, [(0.0, 1.0), (1.0, 2.9)])]
    return [
        line_chart(said, lines, Band([0.0, 1.0], [0.5, 0.5], [1.0, 2.0]), dots),
        scatter(said, dots),
        timeline(said, [text], [Bar(text, 0.0, 1.0, text, text, f"#{text}")]),
    ]


@pytest.mark.parametrize("chart", charts())
def test_every_chart_is_an_image_with_a_title_and_a_description(chart: str) -> None:
    root = parsed(chart)
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]


@pytest.mark.parametrize("chart", charts(HOSTILE))
def test_text_stays_text_whatever_it_says(chart: str) -> None:
    root = parsed(chart)
    assert not list(root.iter(f"{SVG}script"))
    assert not [node for node in root.iter() if any(name.lower().startswith("on") for name in node.attrib)]
    assert root[0].text == HOSTILE


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert charts() == charts()


def test_a_chart_of_nothing_is_no_chart() -> None:
    assert line_chart(TEXT, []) == scatter(TEXT, []) == timeline(TEXT, [], []) == ""


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-9, 1e12])
def test_a_single_value_can_be_drawn(value: float) -> None:
    for chart in (line_chart(TEXT, [Line("one", [(value, value)])]), scatter(TEXT, [Dot(value, value)])):
        assert "nan" not in chart
        assert "inf" not in chart
        parsed(chart)


@pytest.mark.parametrize(
    ("extent", "expected"),
    [
        ((0.0, 1.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ((8.3, 12.4), [9.0, 10.0, 11.0, 12.0]),
        ((0.0, 584.0), [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]),
        ((-0.3, 0.31), [-0.2, 0.0, 0.2]),
        ((5.0, 5.0), [5.0]),
        ((0.0, float("inf")), [0.0]),
    ],
)
def test_ticks_are_round_numbers_within_the_range(extent: tuple[float, float], expected: list[float]) -> None:
    assert ticks(*extent) == expected


def test_labels_at_the_ends_of_lines_do_not_touch() -> None:
    lines = [Line(f"line {place}", [(0.0, 0.0), (1.0, 1.0 + place / 1000)]) for place in range(4)]
    names = [node for node in parsed(line_chart(TEXT, lines)).iter(f"{SVG}text") if "name" in node.get("class", "")]
    heights = sorted(float(node.get("y", "nan")) for node in names)
    assert len(heights) == 4
    assert min(after - before for before, after in pairwise(heights)) >= 14.9


def test_labels_of_points_that_are_close_do_not_cover_each_other() -> None:
    crowd = [Dot(1.0 + place / 1000, 1.0, label=f"point {place}") for place in range(5)]
    far = [Dot(9.0, 9.0, label="far away")]
    named = [node.text for node in parsed(scatter(TEXT, crowd + far)).iter(f"{SVG}text") if node.get("class") == "name"]
    assert named == ["point 0", "far away"]


def test_bars_that_overlap_in_time_do_not_overlap_on_the_page() -> None:
    bars = [Bar("a", 0.0, 2.0, "done"), Bar("a", 1.0, 3.0, "done"), Bar("a", 2.5, 4.0, "done"), Bar("b", 0.0, 4.0, "done")]
    boxes = [
        tuple(float(node.get(key, "nan")) for key in ("x", "y", "width", "height"))
        for node in parsed(timeline(TEXT, ["a", "b"], bars)).iter(f"{SVG}rect")
    ]
    assert len(boxes) == 4
    for place, (x, y, width, height) in enumerate(boxes):
        for left, top, wide, high in boxes[place + 1 :]:
            assert x + width <= left or left + wide <= x or y + height <= top or top + high <= y


def test_everything_is_drawn_inside_the_image() -> None:
    for chart in charts():
        root = parsed(chart)
        _, _, width, height = (float(part) for part in root.get("viewBox", "").split())
        for node in root.iter():
            for key, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
                assert 0.0 <= float(node.get(key, "0")) <= limit


def test_a_step_holds_its_value_until_the_next() -> None:
    assert plots._stairs([(0.0, 1.0), (2.0, 5.0)]) == [(0.0, 1.0), (2.0, 1.0), (2.0, 5.0)]
