"""The command itself: its help, its commands, how each ends, and what comes with a wheel."""

import os
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gan_lightning
from gan_lightning.commands import dispatch
from gan_lightning.commands import main as main_module
from gan_lightning.commands.main import COMMANDS, main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def _signals_as_before() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    heavy = "print([name for name in ('torch', 'lightning', 'jsonargparse', 'numpy') if name in sys.modules])"
    code = f"import sys; from gan_lightning.commands.main import main; main(['--help']); {heavy}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines() if line[2:].startswith(tuple(COMMANDS))] == [*COMMANDS]
    assert "--config NAME_OR_FILE" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert done.stdout.endswith("[]\n")
    assert done.stderr == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"gan-lightning {gan_lightning.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fti"], "There is no command 'fti'. Did you mean fit? Choose from: fit, validate, test, predict, evaluate"),
        (["prepare_data"], "There is no command 'prepare_data'. Did you mean prepare-data?"),
        (["FIT"], "There is no command 'FIT'. Did you mean fit?"),
        (["--config=quickstart", "fit"], "The command goes first, before '--config=quickstart'."),
        (["xyz"], "There is no command 'xyz'. Choose from"),
    ],
)
def test_other_commands_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"gan-lightning: error: {said}")


def test_no_command_gets_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"{main_module.HELP}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_ends_every_command_with_130(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dispatch, "run", interrupted)
    with pytest.raises(SystemExit) as caught:
        main([command])
    assert caught.value.code == 130


def test_ctrl_c_during_imports_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module, "import_module", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["generate"])
    assert caught.value.code == 130


def test_ctrl_c_within_lightning_ends_with_130(
    trainer: Any, tiny_gan: Any, tiny_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trainer would exit with 1."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    gan = tiny_gan("GAN")
    gan.on_validation_start = interrupted
    monkeypatch.setattr(dispatch, "run", lambda *_: trainer(limit_val_batches=1).validate(gan, tiny_data))
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as caught:
        main(["validate"])
    signal.signal(signal.SIGINT, handler)  # which Lightning takes
    assert caught.value.code == 130


@pytest.mark.usefixtures("_signals_as_before")
def test_sigterm_ends_a_command_that_does_not_train_with_143(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(self: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("datamodules.RingDataModule.prepare_data", kill)
    with pytest.raises(SystemExit) as caught:
        main(["prepare-data", "--data=RingDataModule"])
    assert caught.value.code == 143


def test_a_reader_that_leaves_ends_it_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "gan_lightning", "--help"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.returncode == main_module.BROKEN_PIPE
    assert done.stderr == b""


@pytest.mark.usefixtures("_signals_as_before")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "There is not enough memory for this."),
        (MemoryError("Unable to allocate 7.28 TiB for an array"), "There is not enough memory for 7.28 TiB."),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "There is not enough memory for 2.00 GiB."),
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"), "There is no room on the"),
        (OSError(28, "No space left on device", "x.npz"), "There is no room on the disk for 'x.npz'."),
        (ModuleNotFoundError("No module named 'rich'"), "No module named 'rich'"),
    ],
)
def test_what_a_user_can_mend_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    def fail(self: Any) -> None:
        raise error

    monkeypatch.setattr("datamodules.RingDataModule.prepare_data", fail)
    with pytest.raises(SystemExit) as caught:
        main(["prepare-data", "--data=RingDataModule"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"gan-lightning: error: {said}")


@pytest.mark.usefixtures("_signals_as_before")
def test_faults_of_the_program_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("datamodules.RingDataModule.prepare_data", fail)
    with pytest.raises(RuntimeError, match="mat1"):
        main(["prepare-data", "--data=RingDataModule"])


def test_the_catalogue_is_there_on_first_use() -> None:
    assert "DCGAN" in gan_lightning.__all__
    assert set(gan_lightning.__all__) | {"load"} <= set(dir(gan_lightning))
    assert gan_lightning.DCGAN.__module__ == "gan_lightning.modules.dcgan"
    with pytest.raises(AttributeError, match=r"no attribute 'DCGANN'. Its GANs are ACGAN, "):
        _ = gan_lightning.DCGANN  # type: ignore[attr-defined]


def test_every_package_is_built() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent for name in ("gan_lightning", "datamodules") for path in (ROOT / name).rglob("*.py")}
    data = {path.parent for path in (ROOT / "datamodules").rglob("*.png")}
    packages = {".".join(path.relative_to(ROOT).parts) for path in folders | data}
    configs = {
        ".".join(("gan_lightning", *path.parent.relative_to(ROOT).parts)) for path in ROOT.glob("configs/**/*.yaml")
    }
    assert set(setuptools["packages"]) == packages | configs


@pytest.mark.slow
def test_configurations_come_with_a_wheel(tmp_path: Path) -> None:
    """Unpacked where there is no checkout, and used by the real command."""
    pytest.importorskip("setuptools", "77", reason="nothing else can build the wheel without a network")
    source, site = tmp_path / "source", tmp_path / "site"
    for name in ("gan_lightning", "datamodules", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    files = {path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")}
    assert {path.relative_to(site / "gan_lightning/configs") for path in site.rglob("*.yaml")} == files
    configs = ["--config", "quickstart", "--config=trainer/cpu", "-c", "model/wgan"]
    printed = subprocess.run(
        [sys.executable, "-m", "gan_lightning", "fit", *configs, "--print_config"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert printed.returncode == 0, printed.stderr
    assert "class_path: gan_lightning.WGAN" in printed.stdout
    assert "accelerator: cpu" in printed.stdout
