"""``gan-lightning report`` makes the page of a run again, or one that compares runs."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_lightning.commands.dispatch import run as run_command
from gan_lightning.commands.main import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes a run directory in the working folder."""
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> Path:
        path = Path("runs", name)
        path.mkdir(parents=True)
        (path / "metrics.csv").write_text("epoch,step,train/d_loss\n0,50,0.5\n")
        return path

    return make


def test_a_page_is_made_again(run: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = run("one")
    main(["report", "runs/one"])
    assert capsys.readouterr().out == "Wrote runs/one/report.html.\n"
    assert "after 50 updates" in (path / "report.html").read_text()


def test_several_runs_are_compared_beside_them_or_where_asked(run: Callable[[str], Path]) -> None:
    run("one")
    run("other")
    run_command("report", ["runs/one", "runs/other/"])
    assert "one and other" in Path("runs/report.html").read_text()
    run_command("report", ["--runs", "runs/one", "runs/other", "--out", "compared.html"])
    assert Path("compared.html").read_text().count('class="word"') == 2


def test_the_run_in_the_working_folder_has_a_name(run: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run("one"))
    run_command("report", ["."])
    assert "<title>one</title>" in Path("report.html").read_text()


def test_a_run_that_is_training_is_told_as_such(run: Callable[[str], Path]) -> None:
    path = run("one")
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    run_command("report", ["runs/one"])
    assert "It is training" in (path / "report.html").read_text()
    os.close(descriptor)
    run_command("report", ["runs/one"])
    assert "It is training" not in (path / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["runs/none"], "'runs/none' is not the directory of a run, such as runs/<run>: it is not there."),
        (["runs"], "'runs' is not the directory of a run, such as runs/<run>: it has none of config.yaml"),
        (["runs/one/metrics.csv"], "is not the directory of a run"),
        (["runs/one", "runs/one/"], "report got a run twice: runs/one, runs/one/."),
        ([], "Missing: --runs"),
        (["--runs"], "report needs the directory of a run"),
        (["runs/one", "--out", "runs"], "runs"),
    ],
)
def test_bad_input_gets_one_message(
    run: Callable[[str], Path], capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    run("one")
    with pytest.raises(SystemExit) as ended:
        main(["report", *words])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert not list(Path().rglob("*.part"))
