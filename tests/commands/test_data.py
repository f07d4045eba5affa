"""The commands that need data and no GAN, called as the command line calls them."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import auto_cli
from lightning.pytorch import LightningDataModule

from gan_lightning.commands.data import check_data, prepare_data

CONFIGS = Path(__file__).parents[2] / "configs" / "data"


@dataclass(frozen=True)
class Found:
    """What a check found."""

    ok: bool

    def __str__(self) -> str:
        return "all is well" if self.ok else "a.png is missing"


class CheckedDataModule(LightningDataModule):
    """Data that are damaged, as one sees only by looking closely; with a folder of three files."""

    def __init__(self, root: str = "data", damaged: bool = False) -> None:
        super().__init__()
        self.folder = Path(root) / "checked"
        self.damaged = damaged

    def check(self, deep: bool = False) -> Found:
        return Found(not (self.damaged and deep))

    def prepare_data(self) -> None:
        (self.folder / "inner").mkdir(parents=True)
        for name in ("a", "b", "inner/c"):
            (self.folder / name).write_bytes(bytes(500_000))


def run(command: Callable[..., Any], *args: str) -> Any:
    """Run a command as `main` does."""
    return auto_cli(command, args=list(args), as_positional=False)


@pytest.mark.parametrize(("damaged", "deep", "status"), [(False, True, 0), (True, False, 0), (True, True, 1)])
def test_check_prints_the_report_and_returns_the_exit_status(
    damaged: bool, deep: bool, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_data(CheckedDataModule(damaged=damaged), deep) == status
    assert capsys.readouterr().out == ("a.png is missing\n" if status else "all is well\n")


def test_data_without_a_check_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"LightningDataModule has no method check\(deep\)"):
        check_data(LightningDataModule())


def test_prepare_prepares_and_says_how_much_lies_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare_data(CheckedDataModule(str(tmp_path)))
    assert capsys.readouterr().out == f"CheckedDataModule is ready: 3 files, 1.5 MB in {tmp_path / 'checked'}.\n"


def test_prepare_of_data_without_files_says_so(
    tiny_data: LightningDataModule, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_data(tiny_data)
    assert "TinyDataModule is ready: it needs no files" in capsys.readouterr().out


def test_a_class_is_named_bare_and_its_options_are_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data=CheckedDataModule", f"--data.root={tmp_path}", "--data.damaged=true"]
    assert run(check_data, *data) == 0
    assert run(check_data, *data, "--deep=true") == 1
    run(prepare_data, *data)
    assert str(tmp_path / "checked") in capsys.readouterr().out


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10", "stacked_mnist", "ring", "grid", "gaussian"])
def test_configs_name_data_that_exist(name: str) -> None:
    importlib.import_module(f"datamodules.{name}")

    def describe(data: LightningDataModule) -> tuple[str, str, int]:
        return data.name, str(getattr(data, "folder", None)), data.batch_size  # type: ignore[attr-defined]

    found, folder, batch_size = run(describe, f"--config={CONFIGS / name}.yaml", "--data.batch_size=7")
    assert (found, batch_size) == (name, 7)
    assert folder == "None" or folder.startswith("data/")
