"""A table that does not fit is told by place, by what may stand there, by what does, and by what
may have been meant."""

import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, field

from perflab.tables import Table, Text, read_table, table_of


class TableError(ValueError):
    pass


class Shape(Table, frozen=True, kw_only=True, tag_field="shape", tag=str.lower):
    label: str = ""


class Circle(Shape, frozen=True, kw_only=True):
    radius: Annotated[float, Meta(gt=0, le=10)]


class Square(Shape, frozen=True, kw_only=True):
    side: Annotated[int, Meta(ge=1, le=1000)]

    def __post_init__(self) -> None:
        if self.side == 13:
            raise ValueError("side is none that brings bad luck, not 13")


class Sheet(Table, frozen=True, kw_only=True):
    title: Text
    shapes: Annotated[list[Circle | Square], Meta(min_length=1, max_length=3)]
    made: datetime.date | None = None
    ink: Literal["red", "blue"] | dict[Literal["red", "blue"], Annotated[float, Meta(ge=0)]] = "red"
    thick: bool = False
    sizes: Annotated[int, Meta(ge=1)] | list[Annotated[int, Meta(lt=9)]] = 1
    notes: dict[str, str] = field(default_factory=dict)


CIRCLE = {"shape": "circle", "radius": 2}
GOOD = {"title": "one", "shapes": [CIRCLE, {"shape": "square", "side": 3}]}


def test_what_fits_is_made_with_its_classes() -> None:
    found = table_of(GOOD | {"ink": {"red": 1}}, Sheet, "sheet", TableError)
    assert found.shapes == [Circle(radius=2.0), Square(side=3)]
    assert found.ink == {"red": 1.0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"titel": "x"}, "it has no 'titel'; did you mean 'title'?"),
        ({"zzz": 1}, "it has no 'zzz'; there are title, shapes, made, ink, thick, sizes, notes"),
        ({"title": 3}, "title is a text that is not blank, not 3"),
        ({"title": ""}, "title is a text that is not blank, not ''"),
        ({"title": " \n"}, "title is a text that is not blank"),
        ({"title": datetime.date(2026, 1, 2)}, "title is a text that is not blank, not dat"),
        ({"shapes": CIRCLE}, "shapes is a list of tables [[shapes]], one or more, at most 3, not"),
        ({"shapes": []}, "shapes is a list of tables [[shapes]], one or more"),
        ({"shapes": [CIRCLE] * 4}, "shapes is a list of tables [[shapes]], one or more, at most 3"),
        ({"shapes": [3]}, "shapes[0] is a table [shapes[0]], not 3"),
        ({"shapes": [{}]}, "shapes[0] needs 'shape': one of circle, square"),
        ({"shapes": [{"shape": "cirle"}]}, "shapes[0].shape is one of circle, square, not 'cirle'; "
         "did you mean 'circle'?"),
        ({"shapes": [{"shape": ["circle"]}]}, "shapes[0].shape is one of circle, square, not ["),
        ({"shapes": [CIRCLE | {"side": 1}]}, "shapes[0] (shape circle) has no 'side'; there are"),
        ({"shapes": [{"shape": "circle"}]}, "shapes[0] (shape circle) needs 'radius'"),
        ({"shapes": [CIRCLE | {"radius": 0}]}, "shapes[0].radius is a number above 0, up to 10, "
         "not 0"),
        ({"shapes": [CIRCLE | {"radius": True}]}, "shapes[0].radius is a number above 0"),
        ({"shapes": [CIRCLE | {"radius": "2"}]}, "shapes[0].radius is a number above 0"),
        ({"shapes": [CIRCLE | {"radius": float("nan")}]}, "shapes[0].radius is a finite number"),
        ({"shapes": [CIRCLE | {"radius": float("inf")}]}, "shapes[0].radius is a finite number"),
        ({"shapes": [CIRCLE | {"radius": 10**400}]}, "shapes[0].radius is a number of 64 bits"),
        ({"shapes": [{"shape": "square", "side": 1.0}]}, "shapes[0].side is a whole number from 1 "
         "to 1,000, not 1.0"),
        ({"shapes": [{"shape": "square", "side": 13}]}, "shapes[0]: side is none that brings bad"),
        ({"made": "2026-01-02"}, "made is a date such as 2027-01-31, not '2026-01-02'"),
        ({"made": datetime.datetime(2026, 1, 2)}, "made is a date such as 2027-01-31, not dat"),
        ({"ink": "rot"}, "ink is one of red, blue or a table [ink], not 'rot'"),
        ({"ink": {"rad": 1}}, "ink has no 'rad'; did you mean 'red'?"),
        ({"ink": {"red": -1}}, "ink.red is a number from 0, not -1"),
        ({"thick": 1}, "thick is true or false, not 1"),
        ({"sizes": 0}, "sizes is a whole number from 1 or a list, not 0"),
        ({"sizes": [9]}, "sizes[0] is a whole number below 9, not 9"),
        ({"notes": {"a": 1}}, "notes.a is a text that is not blank, not 1"),
        ({"notes": 1}, "notes is a table [notes], not 1"),
    ],
)  # fmt: skip
def test_what_does_not_is_told_in_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(TableError) as caught:
        table_of(GOOD | change, Sheet, "sheet.toml", TableError)
    assert str(caught.value).startswith("sheet.toml: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_is_read_from_its_first_line_on(tmp_path: Path) -> None:
    path = tmp_path / "sheet.toml"
    path.write_text('title = "x"\n[[shapes]]\nshape = "square"\nside = 2\n')
    assert read_table(path, Sheet, TableError).shapes == [Square(side=2)]
    path.write_text('title = "x"\ntitle = "y"\n')
    with pytest.raises(TableError, match=r"sheet\.toml: cannot be read: .*line 2"):
        read_table(path, Sheet, TableError)
    path.write_text('title = "x"\n')
    with pytest.raises(TableError, match=r"sheet\.toml: it needs 'shapes'"):
        read_table(path, Sheet, TableError)


def test_no_type_that_is_used_once_breaks_a_later_one() -> None:
    """msgspec 0.22 crashed after a few such errors where a text had a `pattern`."""
    for _ in range(2000):
        for change in ({"title": 3}, {"notes": {"a": 1}}, {"sizes": [9]}, {"ink": {"x": 1}}):
            with pytest.raises(TableError):
                table_of(GOOD | change, Sheet, "sheet", TableError)
    assert table_of(GOOD, Sheet, "sheet", TableError)
