"""Which bits are flipped: as many as asked for, wherever they are."""

from pathlib import Path
from random import Random

from perflab.chaos.flips import flip_some


def ones(*data: bytes) -> int:
    return sum(int.from_bytes(each).bit_count() for each in data)


def test_so_many_bits_of_all_files_together(tmp_path: Path) -> None:
    files = [tmp_path / "db", tmp_path / "log", tmp_path / "not there"]
    files[0].write_bytes(bytes(30))
    files[1].write_bytes(bytes(10))
    place = files[0].stat().st_ino
    flip_some(files, 40, Random(1))
    found = [path.read_bytes() for path in files[:2]]
    assert ones(*found) == 40
    assert all(ones(each) > 0 for each in found)
    assert [len(each) for each in found] == [30, 10]
    assert files[0].stat().st_ino == place  # another file would be a copy, which is refused
    flip_some(files, 320, Random(2))
    assert ones(*[path.read_bytes() for path in files[:2]]) == 320 - 40
