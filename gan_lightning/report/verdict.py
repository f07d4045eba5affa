"""How a run goes, in words: one of eight, why, and what to do next."""

import dataclasses
import math
import operator
from shlex import quote
from typing import Any

from gan_lightning.metrics.scores import better
from gan_lightning.report.run import Curve, Run

WORDS = {
    "good": "Good",
    "going": "Going",
    "fair": "Fair",
    "poor": "Poor",
    "ill": "Ill",
    "collapsed": "Collapsed",
    "diverged": "Diverged",
    "unjudged": "Not judged yet",
}
GOOD = (0.6, 0.8)
"""Precision and coverage from which samples are good. Real images have 0.84 and 0.94 on MNIST, WGAN-GP at a distance of
4.2 has 0.75 and 0.88, and WGAN at 11.8, of whose digits one in six is doubtful, 0.59 and 0.74 (docs/judging.md)."""
FAIR = (0.4, 0.5)
"""Likewise, from which they resemble the data; a DCGAN at a distance of 69 has 0.52 and 0.26."""
DISTANCES = ("fid", "kid")
"""How the names of distances begin."""
DEATHS = {"DivergedError"}
"""Errors that say that a game has diverged."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a run goes.

    Attributes:
        kind: A key of WORDS.
        reasons: Sentences, the most important first.
        advice: Likewise; what stands between backticks is a command.
    """

    kind: str
    reasons: list[str]
    advice: list[str]

    @property
    def word(self) -> str:
        """What stands on top of the page."""
        return WORDS[self.kind]


@dataclasses.dataclass(frozen=True)
class Score:
    """What a metric was at validations.

    Attributes:
        key: Such as "val/recall".
        last: The last value, NaN if it was not finite, and its step.
        best: The best value and its step; of those that are finite, if there are any.
    """

    key: str
    last: tuple[int, float]
    best: tuple[int, float]

    @property
    def improves(self) -> bool:
        """Whether the last value is the best."""
        return self.last == self.best


def scores(run: Run) -> list[Score]:
    """All that was measured at validations."""
    return [_score(key, curve) for key, curve in run.curves.items() if key.startswith("val/")]


def _score(key: str, curve: Curve) -> Score:
    sign = -1 if better(key) == "min" else 1
    finite = [point for point in curve if math.isfinite(point[1])]
    return Score(key, curve[-1], max(finite or curve, key=lambda point: (sign * point[1], point[0])))


def verdict(run: Run) -> Verdict:
    """How a run goes."""
    found = scores(run)
    open_now = {seen.finding.name: seen.finding for seen in run.seen if seen.until is None}
    kind = _kind(run, found, set(open_now))
    reasons = [
        *_end(run),
        *(finding.diagnosis for finding in open_now.values()),
        *_shares(found),
        *_trend(found),
    ]
    advice = [finding.advice for finding in open_now.values()] + _next(run, kind, found)
    return Verdict(kind, reasons, advice)


def _kind(run: Run, found: list[Score], findings: set[str]) -> str:
    values = _values(found)
    known = [values[name] for name in ("precision", "coverage") if name in values]
    rules = {
        "diverged": findings & {"not finite", "huge loss"} or _last(run).get("error") in DEATHS,
        "collapsed": "collapse" in findings,
        "good": _reach(known, GOOD),
        "ill": findings,
        "unjudged": not found,
        "going": run.is_training or not known,
        "fair": _reach(known, FAIR),
    }
    return next((kind for kind, holds in rules.items() if holds), "poor")


def _reach(known: list[float], least: tuple[float, float]) -> bool:
    return len(known) == len(least) and all(map(operator.ge, known, least))


def _values(found: list[Score]) -> dict[str, float]:
    return {score.key.removeprefix("val/"): score.last[1] for score in found}


def _last(run: Run) -> dict[str, Any]:
    return run.sessions[-1] if run.sessions else {}


def _end(run: Run) -> list[str]:
    """How far it is, and how it ended."""
    goal = run.option("trainer", "max_steps")
    of = f" of {goal:,}" if isinstance(goal, int) and goal > 0 else ""
    at = f"{run.step:,}{of} updates of G"
    how = _last(run).get("how")
    if run.is_training:
        return [f"It is training: {at} are done."]
    if how == "failed":
        return [f"It failed after {at}: {_last(run).get('message', '')}"]
    if how == "interrupted":
        return [f"It was interrupted after {at}."]
    if how or run.step == goal:
        return [f"It has ended after {at}."]
    return [f"It ended without a word after {at}: it was killed, or goes on on another machine."]


def _shares(found: list[Score]) -> list[str]:
    values = _values(found)
    if not values.keys() >= {"precision", "coverage"}:
        return []
    return [
        f"{values['precision']:.0%} of the samples are as near to real images as those are to each other (precision), "
        f"and {values['coverage']:.0%} of the real images have a sample that is (coverage)."
    ]


def _trend(found: list[Score]) -> list[str]:
    """Of the distance to the data."""
    distances = _distances(found)
    if not distances:
        return []
    score = distances[0]
    (step, value), (best_step, best) = score.last, score.best
    if not math.isfinite(value):
        return [f"{score.key} is not a number at step {step:,}: G makes images that are not finite."]
    if score.improves:
        return [f"{score.key} is {value:.2f} at step {step:,}, its best so far."]
    return [f"{score.key} is {value:.2f} at step {step:,}; its best was {best:.2f} at step {best_step:,}."]


def _distances(found: list[Score]) -> list[Score]:
    return [score for score in found if score.key.removeprefix("val/").startswith(DISTANCES)]


def _next(run: Run, kind: str, found: list[Score]) -> list[str]:
    """What to do next, apart from what the findings advise."""
    if run.is_training:
        return ["This page is written again while the run goes on."]
    best = run.path / "checkpoints" / "best.ckpt"
    lines = []
    if kind == "unjudged":
        lines.append(
            "No validation was measured: see trainer.val_check_interval and evaluation.num_samples, and whether the "
            "features can judge these images. Look at the sample grids."
        )
    improves = any(score.improves for score in _distances(found))
    if kind in {"good", "fair", "going", "poor"} and improves:
        lines.append(f"It was still improving. Train longer: `{longer(run)}`.")
    if kind in {"ill", "collapsed"} or (kind == "poor" and not improves):
        lines.append(
            "Start from a recipe that is known to work: configs/experiment has them, docs/results.md what they reach."
        )
    if kind == "diverged":
        start = run.path / "checkpoints" / "last.ckpt"
        again = f"{reproduce(run)} --init_from {quote(str(start))}"
        lines.append(f"Go back to weights from before, with a lower --model.lr: `{again}`.")
    if kind in {"good", "fair", "going"} and best.is_file():
        lines += [
            f"Judge its best checkpoint on test images, by all metrics and with their scale: `{judge(run)}`.",
            f"Make images: `gan-lightning generate --ckpt_path {quote(str(best))} --num 64 --out samples.png`.",
        ]
    return lines


def longer(run: Run) -> str:
    """The command that trains for twice as long: a new run where a learning rate has fallen, else it goes on."""
    epochs = run.option("trainer", "max_epochs")
    if isinstance(epochs, int) and epochs > 0:
        more = f"--trainer.max_epochs {2 * epochs}"
    else:
        more = f"--trainer.max_steps {2 * max(run.step, 1)}"
    optimizers = [run.option("model", "init_args", f"{name}_optimizer") for name in ("generator", "discriminator")]
    fell = any(_falls(optimizer) for optimizer in optimizers)
    how = f"{quote(f'{run.name}-longer')}" if fell else f"{quote(run.name)} --ckpt_path last"
    return f"{_fit(run)} --run_name {how} {more}"


def _falls(optimizer: Any) -> bool:
    options = optimizer.get("init_args") if isinstance(optimizer, dict) else None
    return isinstance(options, dict) and options.get("lr_schedule", "constant") != "constant"


def reproduce(run: Run) -> str:
    """The command that does the same again, under another name."""
    return f"{_fit(run)} --run_name {quote(f'{run.name}-again')}"


def judge(run: Run) -> str:
    """The command that judges the best checkpoint."""
    best, out = run.path / "checkpoints" / "best.ckpt", run.path / "eval.json"
    return (
        f"gan-lightning evaluate --config {quote(str(run.path / 'config.yaml'))} --ckpt_path {quote(str(best))} --out "
        f"{quote(str(out))}"
    )


def _fit(run: Run) -> str:
    config, root = run.path / "config.yaml", run.path.parent
    return f"gan-lightning fit --config {quote(str(config))} --trainer.default_root_dir {quote(str(root))}"
