"""The word on top of the page, and what it is followed by."""

import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gan_lightning.report import read_run
from gan_lightning.report.verdict import Verdict, longer, reproduce, scores, verdict

Writes = Callable[..., Path]
SMALL_BATCHES = "small batches"
CLEARED = {"name": "collapse", "cleared_at": 90}


def judged(path: Path, is_training: bool = False) -> Verdict:
    return verdict(read_run(path, is_training))


@pytest.mark.parametrize(
    ("kind", "state", "is_training"),
    [
        ("good", {}, False),
        ("good", {}, True),
        ("good", {"findings": ["collapse", CLEARED]}, False),
        ("good", {"findings": [SMALL_BATCHES]}, False),
        ("ill", {"findings": [SMALL_BATCHES], "values": {"precision": 0.9, "coverage": 0.1}}, False),
        ("collapsed", {"findings": ["collapse"]}, False),
        ("diverged", {"findings": ["not finite"]}, True),
        ("diverged", {"end": {"how": "failed", "error": "DivergedError", "message": "Weights."}}, False),
        ("fair", {"values": {"precision": 0.5, "coverage": 0.6}}, False),
        ("going", {"values": {"precision": 0.5, "coverage": 0.6}}, True),
        ("poor", {"values": {"precision": 0.5, "coverage": 0.4}}, False),
        ("poor", {"values": {"precision": 0.3, "coverage": 0.9}}, False),
        ("poor", {"values": {"precision": math.nan, "coverage": 0.9}}, False),
        ("going", {"values": {}}, False),
        ("unjudged", {"distances": []}, False),
        ("unjudged", {"distances": []}, True),
    ],
)
def test_a_run_is_called_what_it_is(run: Writes, kind: str, state: dict[str, Any], is_training: bool) -> None:
    found = judged(run(**state), is_training)
    assert found.kind == kind
    assert found.reasons
    assert found.advice


def test_the_reasons_give_the_figures(run: Writes) -> None:
    first, second, third = judged(run()).reasons
    assert first == "It has ended after 100 of 100 updates of G."
    assert second.startswith("70% of the samples")
    assert "90% of the real images" in second
    assert third == "val/fid_mnist is 20.00 at step 100, its best so far."


@pytest.mark.parametrize(
    ("distances", "told"),
    [
        ([20.0, 100.0], "val/fid_mnist is 100.00 at step 100; its best was 20.00 at step 50."),
        ([20.0, math.nan], "val/fid_mnist is not a number at step 100: G makes images that are not finite."),
    ],
)
def test_the_best_value_is_told_if_it_is_not_the_last(run: Writes, distances: list[float], told: str) -> None:
    found = judged(run(distances=distances))
    assert told in found.reasons
    assert not any("still improving" in line for line in found.advice)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (
            {"how": "failed", "error": "OSError", "message": "No space."},
            "It failed after 100 updates of G: No space.",
        ),
        ({"how": "interrupted"}, "It was interrupted after 100 updates of G."),
    ],
)
def test_how_a_run_ended_is_told(run: Writes, end: dict[str, str], told: str) -> None:
    assert judged(run(end=end, config="")).reasons[0] == told


def test_a_run_that_was_killed_is_known_by_its_silence(run: Writes) -> None:
    path = run(config="trainer: {max_steps: 500}")
    (path / "sessions.jsonl").write_text('{"began": "then"}\n')
    assert judged(path).reasons[0].startswith("It ended without a word after 100 of 500 updates")
    assert judged(path, is_training=True).reasons[0] == "It is training: 100 of 500 updates of G are done."


def test_findings_are_reasons_and_their_advice_comes_first(run: Writes) -> None:
    found = judged(run(findings=["collapse"]))
    assert "Samples are alike." in found.reasons
    assert found.advice[0] == "Try R1."


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ("trainer: {max_steps: 100}", ["some-run", "--ckpt_path", "last", "--trainer.max_steps", "200"]),
        ("trainer: {max_epochs: 3, max_steps: -1}", ["some-run", "--ckpt_path", "last", "--trainer.max_epochs", "6"]),
        (
            "model: {init_args: {generator_optimizer: {init_args: {lr_schedule: linear}}}}",
            ["some-run-longer", "--trainer.max_steps", "200"],
        ),
    ],
)
def test_to_train_longer_goes_on_unless_the_learning_rate_has_fallen(
    run: Writes, config: str, options: list[str]
) -> None:
    words = shlex.split(longer(read_run(run(config=config))))
    assert words[words.index("--run_name") + 1 :] == options


def test_paths_with_spaces_are_quoted(run: Writes) -> None:
    path = run(name="a run")
    assert shlex.split(reproduce(read_run(path)))[3] == str(path / "config.yaml")


def test_best_values_depend_on_what_is_better(run: Writes) -> None:
    path = run(distances=[30.0, 20.0, 25.0])
    by_key = {score.key: score for score in scores(read_run(path))}
    assert by_key["val/fid_mnist"].best == (100, 20.0)
    assert by_key["val/recall"].best == (150, 0.6)  # of equals, the last
