"""The page is complete in itself, shows nothing as code that is not, and compares runs."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_lightning.images import write_png
from gan_lightning.report import charts, page, read_run, render

Writes = Callable[..., Path]
Pages = Callable[..., str]
EVALUATION = {
    "protocol": {"data": "digits", "seed": 0},
    "subjects": [{"name": "best", "values": {"fid_mnist": 5.25, "recall": None}}],
    "scale": [{"name": "real images", "values": {"fid_mnist": 1.125}}, {"name": "noise", "values": {}}],
}


@pytest.fixture
def page_of(cache_dir: Path) -> Callable[..., str]:
    """The page of runs."""
    return lambda *paths: render([read_run(path) for path in paths], "now", cache_dir)


def data_of(text: str) -> Any:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def without_library(text: str) -> str:
    return re.sub(r"<script>.*?/\* complete \*/", "", text, flags=re.DOTALL)


def test_a_page_needs_nothing_from_elsewhere(run: Writes, page_of: Pages) -> None:
    text = without_library(page_of(run()))
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text)
    assert "@import" not in text
    assert "url(" not in text


def test_a_page_says_what_a_run_is_and_how_to_do_it_again(run: Writes, page_of: Pages) -> None:
    path = run(findings=["collapse"])
    (path / "eval.json").write_text(json.dumps(EVALUATION))
    text = without_library(page_of(path))
    for told in (
        "Collapsed",
        "Samples are alike.",
        "gan-lightning fit",
        "max_steps: 100",
        "5.25",
        "1.125",
        "fakes 2000",
    ):
        assert told in text, told


def test_what_a_run_holds_cannot_become_code(run: Writes, page_of: Pages) -> None:
    evil = "</script><script>alert(1)</script>"
    path = run(
        name="<b>run",
        config=f"trainer: {{name: '{evil}'}}",
        findings=[{"name": evil, "diagnosis": evil}],
        end={"how": "failed", "message": evil},
    )
    text = without_library(page_of(path, run(name="other")))
    assert "<script>alert" not in text
    assert "<b>run" not in text
    assert "&lt;script&gt;alert" in text


def test_curves_are_grouped_and_thinned_to_their_end(run: Writes, page_of: Pages) -> None:
    path = run()
    rows = [f"{step},{step / 10},{step}" for step in range(1, 2_001)]
    (path / "metrics.csv").write_text("\n".join(["step,train/d_loss,train/own", *rows]) + "\n")
    data = data_of(page_of(path))
    assert [(panel["title"], panel["keys"]) for panel in data["panels"]] == [
        ("Losses", ["train/d_loss"]),
        ("train/own", ["train/own"]),
    ]
    curve = data["runs"][0]["curves"]["train/d_loss"]
    assert len(curve) == page.POINTS
    assert curve[-1] == [2_000, 200.0]


def test_values_that_are_not_finite_are_gaps(run: Writes, page_of: Pages) -> None:
    data = data_of(page_of(run(distances=[5.0, float("nan"), 7.0])))
    assert data["runs"][0]["curves"]["val/fid_mnist"] == [[50, 5.0], [100, None], [150, 7.0]]


def test_of_many_grids_some_are_shown_the_first_and_the_last_among_them(run: Writes, page_of: Pages) -> None:
    path = run()
    for step in range(200, 10_000, 100):
        write_png(torch.zeros(1, 1, 4, 4), path / "samples" / f"step-{step:07d}.png")
    steps = [grid["step"] for grid in data_of(page_of(path))["runs"][0]["grids"]]
    assert len(steps) == page.GRIDS
    assert (steps[0], steps[-1]) == (50, 9_900)


def test_large_pictures_are_embedded_as_jpeg_and_damaged_ones_left_out(run: Writes, page_of: Pages) -> None:
    path = run()
    write_png(2 * torch.rand(1, 3, 400, 400) - 1, path / "samples" / "step-0000200.png")
    (path / "samples" / "step-0000300.png").write_bytes(b"damaged" * 100_000)
    grids = data_of(page_of(path))["runs"][0]["grids"]
    assert [(grid["step"], grid["src"][:15]) for grid in grids] == [
        (50, "data:image/png;"),
        (100, "data:image/png;"),
        (200, "data:image/jpeg"),
    ]


def test_a_page_of_several_runs_tells_their_options_apart(run: Writes, page_of: Pages) -> None:
    one = run(name="one", config="model: {lr: 0.1, betas: [0.5, 0.9]}\nrun_name: one\n")
    other = run(name="other", config="model: {lr: 0.2, betas: [0.5, 0.9]}\nrun_name: other\n")
    assert page._differences([read_run(one), read_run(other)]) == [("model.lr", ["0.1", "0.2"])]
    text = page_of(one, other)
    assert "one and other" in text
    assert [entry["name"] for entry in data_of(text)["runs"]] == ["one", "other"]


def test_runs_without_metrics_or_anything_are_told(tmp_path: Path, page_of: Pages) -> None:
    (tmp_path / "new" / "checkpoints").mkdir(parents=True)
    text = page_of(tmp_path / "new")
    for told in ("Not judged yet", "no readable metrics.csv", "no grids of samples", "no config.yaml"):
        assert told in text, told


@pytest.mark.parametrize("kept", [None, "cut off in the mid", "writable"])
def test_the_library_is_kept_and_made_again_if_it_is_damaged(tmp_path: Path, kept: str | None) -> None:
    if kept is None:
        (tmp_path / "cache").touch()  # nothing can be kept
    elif kept != "writable":
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / f"vega-{charts.version(charts.PACKAGE)}.js").write_text(kept)
    script = charts.library(tmp_path / "cache")
    assert "vegaEmbed" in script
    assert "</script" not in script
    if kept is not None:
        (path,) = (tmp_path / "cache").iterdir()
        assert path.read_text() == script


def test_a_page_without_curves_has_no_library(run: Writes, tmp_path: Path) -> None:
    path = run(distances=[])
    text = render([read_run(path)], "now", tmp_path / "cache")
    assert len(text) < 100_000
    assert not (tmp_path / "cache").exists()
