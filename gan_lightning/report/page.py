"""The page: one file that needs no network."""

import base64
import functools
import io
import json
import math
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template
from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from gan_lightning.metrics.scores import ARROWS
from gan_lightning.panels import PANELS
from gan_lightning.report.charts import library
from gan_lightning.report.run import Curve, Run
from gan_lightning.report.verdict import Verdict, reproduce, scores, verdict

POINTS = 400
"""Of a curve, at most; of longer ones every second is shown, or every third, and so on."""
GRIDS = 24
"""Pictures through time, at most, evenly spread."""
LARGE = 200_000
"""Bytes of a picture from which it is embedded as JPEG."""
HIDDEN = {"run_name", "save_dir", "default_root_dir", "cache_dir", "id"}
"""Options that differ between any two runs."""

NOT_SHOWN = {"images_seen"}


def render(runs: Sequence[Run], now: str, cache_dir: Path) -> str:
    """A page about one run, or about several side by side.

    Args:
        runs: At least one.
        now: When it is, for the reader.
        cache_dir: Where the library that draws is kept; a page without curves has none.
    """
    panels = _panels(runs)
    return _template().render(
        title=" and ".join(run.name for run in runs),
        now=now,
        runs=[_described(run) for run in runs],
        metrics=_metrics(runs),
        differences=_differences(runs),
        is_training=any(run.is_training for run in runs),
        style=Markup(_file("page.css")),
        script=Markup(_file("page.js")),
        library=Markup(library(cache_dir) if panels else ""),
        data=Markup(_json({"runs": [_drawn(run) for run in runs], "panels": panels})),
    )


@functools.lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["commands"] = _commands
    return environment.from_string(_file("page.html"))


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _json(content: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _commands(text: str) -> Markup:
    """A sentence in which what stands between backticks is code."""
    pieces = text.split("`")
    marked = [
        Markup("<code>{}</code>").format(piece) if i % 2 else Markup("{}").format(piece)
        for i, piece in enumerate(pieces)
    ]
    return Markup("").join(marked)


def _described(run: Run) -> dict[str, Any]:
    """What the template says of a run."""
    found: Verdict = verdict(run)
    return {
        "name": run.name,
        "verdict": found,
        "seen": run.seen,
        "config": run.config_text,
        "protocol": run.protocol,
        "sessions": run.sessions,
        "evaluations": {name: _table(content) for name, content in run.evaluations.items()},
        "reproduce": reproduce(run) if run.config else None,
        "has_grids": bool(run.grids),
        "has_curves": bool(run.curves),
        "real": _data_uri(run.real) if run.real else None,
    }


def _drawn(run: Run) -> dict[str, Any]:
    """What the script draws of a run."""
    curves = {key: _thinned(curve) for key, curve in run.curves.items() if key.partition("/")[2] not in NOT_SHOWN}
    kept = _spread(run.grids, GRIDS)
    grids = [{"step": step, "src": uri} for step, path in kept if (uri := _data_uri(path))]
    findings = [(seen.since, seen.finding.name) for seen in run.seen]
    return {"name": run.name, "curves": curves, "grids": grids, "findings": findings}


def _spread(items: list[Any], most: int) -> list[Any]:
    """At most so many of them, evenly, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _thinned(curve: Curve) -> list[tuple[int, float | None]]:
    stride = math.ceil(len(curve) / POINTS)
    kept = curve[::-1][::stride][::-1]  # the last is always there
    return [(step, float(f"{value:.5g}") if math.isfinite(value) else None) for step, value in kept]


@functools.lru_cache(maxsize=4 * GRIDS)
def _encoded(path: Path, changed: float) -> str | None:
    content = path.read_bytes()
    if len(content) <= LARGE:
        return f"data:image/png;base64,{base64.b64encode(content).decode()}"
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.convert("RGB").save(buffer, "jpeg", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _data_uri(path: Path) -> str | None:
    """A picture as part of the page; None if it is gone or damaged."""
    try:
        return _encoded(path, path.stat().st_mtime)
    except (OSError, UnidentifiedImageError):
        return None


def _panels(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Which keys are drawn together, as far as any run has them; what belongs to no panel has one of its own."""
    by_name: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for run in runs for key in run.curves):
        by_name.setdefault(key.partition("/")[2] or key, []).append(key)
    panels = [
        {
            "title": panel.title,
            "keys": [key for drawn in panel.keys for key in by_name.pop(drawn.partition("/")[2], [])],
            "log": panel.is_log,
        }
        for panel in PANELS
    ]
    rest = [
        {"title": found[0], "keys": found, "log": False} for name, found in by_name.items() if name not in NOT_SHOWN
    ]
    return [panel for panel in panels if panel["keys"]] + rest


def _metrics(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row for each metric of validations, with its last and its best value in each run."""
    by_run = [{score.key: score for score in scores(run)} for run in runs]
    keys = dict.fromkeys(key for found in by_run for key in found)
    return [
        {"key": key, "better": ARROWS.get(key.partition("/")[2], "↓"), "scores": [found.get(key) for found in by_run]}
        for key in keys
    ]


def _table(content: dict[str, Any]) -> dict[str, Any]:
    """What ``evaluate`` found, as columns of values by metric."""
    columns = [column for side in ("subjects", "scale") for column in content[side] if isinstance(column, dict)]
    names = dict.fromkeys(name for column in columns for name in column.get("values", {}))
    rows = [
        {
            "name": name,
            "better": ARROWS.get(name, "↓" if "fid" in name else ""),
            "values": [column.get("values", {}).get(name) for column in columns],
        }
        for name in names
    ]
    return {"columns": [column.get("name", "") for column in columns], "rows": rows, "protocol": content["protocol"]}


def _differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Options that are not the same in all runs."""
    flat = [dict(_flattened(run.config)) for run in runs]
    keys = sorted({key for options in flat for key in options})
    rows = [(key, [str(options.get(key, "-")) for options in flat]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1 and key.rpartition(".")[2] not in HIDDEN]


def _flattened(options: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Plain values by the dotted names of their options."""
    if isinstance(options, dict) and options:
        for key, value in options.items():
            yield from _flattened(value, f"{prefix}{key}.")
    elif isinstance(options, list) and any(isinstance(item, dict) for item in options):
        for place, item in enumerate(options):
            yield from _flattened(item, f"{prefix}{place}.")
    else:
        yield prefix.rstrip("."), options
