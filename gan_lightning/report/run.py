"""What a run directory tells of its run, as far as it can be read: a run may be training, or have been killed."""

import csv
import dataclasses
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from gan_lightning.findings import Finding
from gan_lightning.secrets import masked

SESSIONS = "sessions.jsonl"
"""A line when a training began, and one when it ended, each time."""
FINDINGS = "findings.jsonl"
METRICS = "metrics.csv"
CONFIG = "config.yaml"
SIGNS = (CONFIG, METRICS, SESSIONS, "checkpoints", "samples")
"""One of these is in each run directory."""
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The fast one, where PyYAML has it."""
Curve = list[tuple[int, float]]
"""Values by updates of G, NaN where they were not finite."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """A finding of the doctor, and when it was true."""

    finding: Finding
    since: int
    until: int | None


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, as its directory has it.

    Attributes:
        path: The directory.
        is_training: Whether a process is training there.
        config: Of ``config.yaml``, with masks for what looks like a secret; empty without.
        config_text: The same as it stands there.
        protocol: What the values of its validations depend on.
        curves: All that was logged, by key.
        grids: Pictures of samples by updates of G, in order.
        real: A picture of real images, if there is one.
        seen: What the doctor found, in order.
        sessions: Trainings that followed each other, each what its two lines of ``sessions.jsonl`` say.
        evaluations: What ``evaluate`` wrote there, by file name.
    """

    path: Path
    is_training: bool
    config: dict[str, Any]
    config_text: str
    protocol: dict[str, Any]
    curves: dict[str, Curve]
    grids: list[tuple[int, Path]]
    real: Path | None
    seen: list[Seen]
    sessions: list[dict[str, Any]]
    evaluations: dict[str, dict[str, Any]]

    @property
    def name(self) -> str:
        """Of the directory."""
        return self.path.name

    @property
    def step(self) -> int:
        """The last update of G that is known of."""
        logged = (curve[-1][0] for curve in self.curves.values())
        return max([0, *logged, *(step for step, _ in self.grids), *(int(s.get("step", 0)) for s in self.sessions)])

    def option(self, *names: str) -> Any:
        """A value of the configuration, such as ``option("trainer", "max_steps")``; None without."""
        value: Any = self.config
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value


def read_run(path: Path, is_training: bool = False) -> Run:
    """Read a run directory. What is missing or damaged there is left out.

    Args:
        path: The directory.
        is_training: Whether a process is training there.

    Raises:
        FileNotFoundError: If it is not a run directory.
    """
    if not any((path / sign).exists() for sign in SIGNS):
        what = "is not there" if not path.exists() else "has none of " + ", ".join(SIGNS)
        raise FileNotFoundError(f"'{path}' is not the directory of a run, such as runs/<run>: it {what}.")
    text = _text(path / CONFIG)
    config = masked(_mapping(text))
    return Run(
        path=path,
        is_training=is_training,
        config=config,
        config_text=text if config == _mapping(text) else yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        protocol=_dict(_mapping(_text(path / "hparams.yaml")).get("evaluation")),
        curves=read_curves(path / METRICS),
        grids=sorted(_grids(path / "samples")),
        real=real if (real := path / "real.png").is_file() else None,
        seen=list(_seen(path / FINDINGS)),
        sessions=_sessions(path / SESSIONS),
        evaluations=dict(_evaluations(path)),
    )


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file with one JSON object a line; a line that a kill left incomplete is passed over."""
    for line in _text(path).splitlines():
        with suppress(ValueError):
            content = json.loads(line)
            if isinstance(content, dict):
                yield content


def read_curves(path: Path) -> dict[str, Curve]:
    """All columns of a ``metrics.csv`` but the step and the epoch."""
    curves: dict[str, Curve] = {}
    with suppress(OSError, csv.Error), path.open(newline="", errors="replace") as file:
        for row in csv.DictReader(file, restval=""):
            step = _number(row.pop("step", ""))
            if step is None or not math.isfinite(step):
                continue
            for key, cell in row.items():
                value = _number(cell)
                if value is not None and key != "epoch":
                    curves.setdefault(key, []).append((int(step), value if math.isfinite(value) else math.nan))
    return curves


def _number(cell: object) -> float | None:
    """None where a cell is empty or damaged."""
    try:
        return float(str(cell))
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _mapping(text: str) -> dict[str, Any]:
    try:
        return _dict(yaml.load(text, LOADER))
    except yaml.YAMLError:
        return {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _grids(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob("step-*.png"):
        with suppress(ValueError):
            yield int(path.stem.removeprefix("step-")), path


def _seen(path: Path) -> Iterator[Seen]:
    """Findings in the order of their beginnings."""
    seen: list[Seen] = []
    for line in read_lines(path):
        with suppress(KeyError, TypeError, ValueError):
            if "cleared_at" in line:
                ended = [each.finding.name == line["name"] and each.until is None for each in seen]
                until = int(line["cleared_at"])
                seen = [
                    dataclasses.replace(each, until=until) if ends else each
                    for each, ends in zip(seen, ended, strict=True)
                ]
            else:
                finding = Finding(str(line["name"]), str(line["diagnosis"]), str(line["advice"]))
                seen.append(Seen(finding, int(line["step"]), None))
    yield from seen


def _sessions(path: Path) -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = []
    for line in read_lines(path):
        if "began" in line or not sessions:
            sessions.append(line)
        else:
            sessions[-1] |= line
    return sessions


def _evaluations(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("*.json")):
        with suppress(ValueError):
            content = _dict(json.loads(_text(path)))
            if content.keys() >= {"protocol", "subjects", "scale"}:
                yield path.name, content
