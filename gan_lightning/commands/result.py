"""What an evaluation found: a table to read, and JSON to keep."""

import dataclasses
import json
import math
from typing import Any

from gan_lightning.metrics.scores import ARROWS

NORMAL_95 = 1.96
"""Standard deviations on each side that hold 95 % of a normal distribution."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """What images of one origin score.

    Attributes:
        name: Of the origin.
        facts: What is known of it; empty for the scale.
        count: Images that were judged.
        values: By metric.
        refused: Why there is no value, by metric.
        deviations: Bootstrap standard deviations, by metric.
    """

    name: str
    facts: dict[str, Any]
    count: int
    values: dict[str, float]
    refused: dict[str, str]
    deviations: dict[str, float]

    def cell(self, metric: str) -> str:
        """A value of the table, with its interval of 95 % if there is one."""
        if metric not in self.values:
            return "refused" if metric in self.refused else "-"
        interval = f" ± {NORMAL_95 * self.deviations[metric]:.2g}" if metric in self.deviations else ""
        return f"{self.values[metric]:.4g}{interval}"


@dataclasses.dataclass(frozen=True)
class Result:
    """Values of all that was judged, on one protocol.

    Attributes:
        protocol: What the values depend on, beside the images that were judged.
        subjects: What was judged.
        scale: What real images and noise score, as if they were fakes.
    """

    protocol: dict[str, Any]
    subjects: list[Scores]
    scale: list[Scores]

    def __str__(self) -> str:
        """A table in Markdown, with the protocol above and what was refused below."""
        columns = [*self.subjects, *self.scale]
        asked = dict.fromkeys(name for column in columns for name in [*column.values, *column.refused])
        better = {name: ARROWS.get(name, "↓" if "fid" in name else "") for name in asked}
        rows = [["metric", "better", *(column.name for column in columns)]]
        rows += [[name, better[name], *(column.cell(name) for column in columns)] for name in asked]
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
        lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
        return "\n".join([self._heading(), "", *lines, *self._remarks()])

    def to_json(self) -> str:
        """All of it; numbers that JSON does not have are null."""
        content = dataclasses.asdict(self)
        for column in [*content["subjects"], *content["scale"]]:
            values: dict[str, float] = column["values"]
            column["values"] = {name: value if math.isfinite(value) else None for name, value in values.items()}
        return json.dumps(content, indent=1, allow_nan=False) + "\n"

    def _heading(self) -> str:
        told = self.protocol
        counts = " and ".join(dict.fromkeys(f"{subject.count:,}" for subject in self.subjects))
        return (
            f"{counts} fakes against {told['real_images']:,} {told['split']} images of {told['data']}, by "
            f"{told['extractor']} {told['extractor_fingerprint']}, seed {told['seed']}."
        )

    def _remarks(self) -> list[str]:
        reasons: dict[str, list[str]] = {}
        for subject in self.subjects:
            for name, reason in subject.refused.items():
                reasons.setdefault(f"of {subject.name} refused, as it {reason}", []).append(name)
        lines = [f"{', '.join(names)} {reason}." for reason, names in reasons.items()]
        lines += [
            f"{subject.name} was trained on {trained_on}, and judged on other data."
            for subject in self.subjects
            if (trained_on := subject.facts.get("trained_on")) not in (None, self.protocol["data"])
        ]
        return ["", *lines] if lines else []
