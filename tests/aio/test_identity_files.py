"""Data directories that can't be used: each says so in one sentence."""

import os
from pathlib import Path

import pytest

from p2pcore import AdaptiveCoordinator, ConfigError, CoordinatorConfig


def test_a_file_is_no_data_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match=f"data_dir: {file} is a file, not a directory"):
        AdaptiveCoordinator(CoordinatorConfig(data_dir=file))
    with pytest.raises(ConfigError, match=f"data_dir: {file}/below can't be made: Not a directory"):
        AdaptiveCoordinator(CoordinatorConfig(data_dir=file / "below"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_is_not_ours(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="can't be used: Permission denied"):
        AdaptiveCoordinator(CoordinatorConfig(data_dir=tmp_path))
