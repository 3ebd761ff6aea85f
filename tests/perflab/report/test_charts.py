"""Pictures hold what the numbers say, and whatever the numbers are they are pictures."""

import math
import re
from xml.etree import ElementTree

import pytest

from perflab.report.charts import RESTS, draw, drawable
from perflab.report.form import Chart, ChartMark, Line

SVG = "{http://www.w3.org/2000/svg}"
LINE = Line(label="a", x=[0.0, 1.0, 2.0, 3.0], y=[1.0, 2.0, None, 4.0])


def chart(*lines: Line, **more: object) -> Chart:
    return Chart(title="It", x_label="s", y_label="ms", lines=list(lines), **more)  # type: ignore[arg-type]


def parsed(found: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(draw(found, 1))


def texts(found: Chart) -> list[str]:
    return [each.text or "" for each in parsed(found).iter(f"{SVG}text")]


def test_higher_values_stand_higher_and_gaps_stay_open() -> None:
    svg = parsed(chart(LINE))
    [line] = svg.iter(f"{SVG}polyline")  # the one after the gap is a point alone
    (x1, y1), (x2, y2) = (pair.split(",") for pair in line.attrib["points"].split())
    assert float(x1) < float(x2)
    assert float(y1) > float(y2)
    assert len(list(svg.iter(f"{SVG}circle"))) == 3


def test_the_axes_say_round_numbers_and_their_labels() -> None:
    told = texts(chart(LINE))
    assert {"s", "ms", "0", "1", "2", "3", "4"} <= set(told)
    wide = Line(label="a", x=[1.0, 256.0], y=[0.5, 5000.0])
    told = texts(chart(wide, log_x=True, log_y=True))
    assert {"1", "2", "64", "256", "10", "100", "1,000"} <= set(told)
    told = texts(chart(Line(label="a", x=[0.0, 2.0], y=[1.0, 3.0]), ranks=True, log_y=True))
    assert {"P90", "P99", "1", "2"} <= set(told)


def test_stacked_bars_begin_where_the_one_before_ends() -> None:
    parts = [Line(label=each, x=[0.0, 1.0], y=[2.0, 1.0]) for each in "ab"]
    found = chart(*parts, bars=["P50", "P99"])
    rects = [each.attrib for each in parsed(found).iter(f"{SVG}rect") if "fill" in each.attrib]
    first, second = rects[0], rects[2]
    assert float(second["x"]) == pytest.approx(float(first["x"]) + float(first["width"]), abs=0.2)
    assert {"P50", "P99", "a", "b"} <= set(texts(found))


def test_what_is_left_of_bars_is_grey_and_the_same_in_the_legend() -> None:
    found = Line(label="found", x=[], y=[3.0])
    left = [Line(label=label, x=[], y=[1.0], dashed=True) for label in ("nobody", "not tried")]
    drawn = draw(chart(found, *left, bars=["all"]), 1)
    for grey in RESTS:
        assert drawn.count(f'fill="{grey}"') == 1
        assert drawn.count(f'stroke="{grey}"') == 1
    dashed = Line(label="b", x=[1.0], y=[1.0], dashed=True)
    assert RESTS[0] not in draw(chart(LINE, dashed), 1)


def test_names_of_bars_are_seen_and_their_number_makes_the_height() -> None:
    long = "tests/replication/test_a_very_long_name_of_a_file_of_tests.py"
    bars = ["short", long]
    found = chart(Line(label="a", x=[], y=[1.0, 2.0]), bars=bars)
    svg = parsed(found)
    told = {each.text or "": each.attrib for each in svg.iter(f"{SVG}text")}
    (cut,) = (name for name in told if name.startswith("…"))
    assert long.endswith(cut[1:])
    rects = [each.attrib for each in svg.iter(f"{SVG}rect") if "fill" in each.attrib]
    begin = float(rects[0]["x"])
    assert float(told[cut]["x"]) < begin
    assert float(told[cut]["x"]) - len(cut) * 6 > 0
    assert begin > float(parsed(chart(LINE)).attrib["viewBox"].split()[2]) / 3
    heights = []
    for many in (1, 12, 40):
        bars = [f"b{n}" for n in range(many)]
        many_bars = parsed(chart(Line(label="a", x=[], y=[1.0] * many), bars=bars))
        heights.append(float(many_bars.attrib["viewBox"].split()[3]))
    assert heights == sorted(set(heights))


def test_what_has_no_line_and_no_bar_is_no_picture() -> None:
    alone = chart(Line(label="a", x=[1.0, 2.0], y=[None, 3.0]))
    bars = chart(Line(label="a", x=[], y=[1.0]), bars=["b"])
    assert drawable([chart(), alone, chart(LINE), bars]) == [chart(LINE), bars]


def test_times_are_marked_with_their_words() -> None:
    marks = [
        ChartMark(begin_s=1, end_s=2, text="pause"),
        ChartMark(begin_s=2, end_s=None, text="x"),
    ]
    found = chart(LINE, marks=marks)
    assert {"pause", "x"} <= set(texts(found))
    assert "var(--band)" in draw(found, 1)
    assert draw(found, 1).rindex("var(--band)") < draw(found, 1).index(">pause<")
    late = chart(LINE, marks=[ChartMark(begin_s=3, end_s=None, text="late")])
    (words,) = (each for each in parsed(late).iter(f"{SVG}text") if each.text == "late")
    assert words.attrib["text-anchor"] == "end"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [Line(label="a", x=[], y=[])],
        [Line(label="a", x=[1.0], y=[0.0])],
        [Line(label="a", x=[5.0, 5.0], y=[7.0, 7.0])],
        [Line(label="a", x=[0.0, 1.0], y=[-3.0, -1.0])],
        [Line(label="a", x=[0.0, 1.0], y=[None, None])],
        [Line(label="a", x=[0.0, math.nan, 2.0], y=[math.nan, 1.0, math.inf])],
        [Line(label="a", x=[1e-12, 1e12], y=[1e-12, 1e12])],
        [Line(label="<script>&\"'", x=[0.0, 1.0], y=[1.0, 2.0]), LINE],
    ],
)
@pytest.mark.parametrize("log", [False, True])
def test_whatever_there_is_it_is_a_picture_without_a_number_that_is_none(
    lines: list[Line], log: bool
) -> None:
    for ranks in (False, True):
        text = draw(chart(*lines, log_x=log, log_y=log, ranks=ranks), 3)
        ElementTree.fromstring(text)
        assert not re.search(r'="-?(nan|inf)', text)
        assert "<script" not in text
