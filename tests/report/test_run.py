"""Whatever state a run directory is in, what can be read of it is read."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_lightning.report import read_run

Writes = Callable[..., Path]


def test_all_that_a_run_leaves_is_read(run: Writes) -> None:
    cleared = {"name": "collapse", "cleared_at": 60}
    path = run(findings=["collapse", cleared, {"step": 80}])
    found = read_run(path)
    assert found.name == "some-run"
    assert found.step == 100
    assert found.option("trainer", "max_steps") == 100
    assert found.option("trainer", "max_steps", "deeper") is None
    assert found.protocol == {"fakes": 2000, "reals": 5000, "seed": 0}
    assert found.curves["val/fid_mnist"] == [(50, 100.0), (100, 20.0)]
    assert "epoch" not in found.curves
    assert [step for step, _ in found.grids] == [50, 100]
    assert found.real == path / "real.png"
    assert [(seen.since, seen.until) for seen in found.seen] == [(40, 60), (80, None)]
    (session,) = found.sessions
    assert session["how"] == "finished"
    assert session["from_step"] == 0


def test_sessions_follow_each_other(run: Writes) -> None:
    path = run()
    with (path / "sessions.jsonl").open("a") as file:
        file.write(json.dumps({"began": "later", "from_step": 100}) + "\n")
    first, second = read_run(path).sessions
    assert first["ended"] == "2026-01-01 01:00:00 UTC"
    assert second == {"began": "later", "from_step": 100}


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_what_is_no_run_directory_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=rf"'.*{folder}' is not the directory of a run"):
        read_run(tmp_path / folder)


@pytest.mark.parametrize(
    "name", ["metrics.csv", "config.yaml", "hparams.yaml", "findings.jsonl", "sessions.jsonl", "eval.json"]
)
@pytest.mark.parametrize("content", [None, b"", b"\x00\xff{[\n,\n", b"[1, 2]\n", b"step\nnan\n,,,\n", b'{"name": 1}\n'])
def test_a_file_that_is_missing_or_damaged_costs_only_what_it_held(
    run: Writes, name: str, content: bytes | None
) -> None:
    path = run(findings=["collapse"])
    if content is None:
        (path / name).unlink(missing_ok=True)
    else:
        (path / name).write_bytes(content)
    found = read_run(path)
    assert bool(found.curves) == (name != "metrics.csv")
    assert bool(found.seen) == (name != "findings.jsonl")
    assert ("trainer" in found.config) == (name != "config.yaml")
    assert bool(found.protocol) == (name != "hparams.yaml")
    assert found.evaluations == {}


def test_a_last_line_that_a_kill_left_incomplete_is_passed_over(run: Writes) -> None:
    path = run(findings=["collapse"])
    for name, rest in (("metrics.csv", "0,150,0.1,"), ("findings.jsonl", '{"step": 90, "na')):
        with (path / name).open("a") as file:
            file.write(rest)
    found = read_run(path)
    assert found.curves["train/d_loss"][-1] == (150, 0.1)
    assert found.curves["val/fid_mnist"][-1] == (100, 20.0)
    assert len(found.seen) == 1


def test_values_that_are_not_finite_are_nan(run: Writes) -> None:
    curve = read_run(run(distances=[10.0, math.inf])).curves["val/fid_mnist"]
    assert curve[0] == (50, 10.0)
    assert math.isnan(curve[1][1])
