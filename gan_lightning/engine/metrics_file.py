"""A CSV logger that a resumed run continues."""

import csv
import io
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only

from gan_lightning.images import write_bytes

Row = dict[str, Any]
PLAIN = (str, int, float, bool, type(None))


class _AppendingWriter(ExperimentWriter):
    """Continues an existing file, and replaces it as a whole or not at all; Lightning's writer deletes it."""

    _resumed_at: int | None = None

    def _check_log_dir_exists(self) -> None:
        path = Path(self.metrics_file_path)
        content = path.read_bytes() if path.exists() else b""
        if not content.endswith(b"\n"):  # whoever wrote it was killed
            self._replace(content[: content.rfind(b"\n") + 1])
        if path.exists():
            with path.open(newline="", errors="replace") as file:
                self.metrics_keys = next(csv.reader(file), [])

    def log_metrics(self, metrics_dict: dict[str, Any], step: int | None = None) -> None:
        """Record a row; at the step that a run resumed from, it replaces earlier values of the same metrics."""
        if step is not None and step == self._resumed_at:
            again = metrics_dict.keys() - {"epoch"}
            self._keep(lambda row: _step(row) != step or not any(row.get(key) for key in again))
        super().log_metrics(metrics_dict, step)

    def forget_after(self, step: int) -> None:
        """Drop the rows beyond a step, and those whose step is not readable."""
        self._resumed_at = step
        self._keep(lambda row: _step(row) <= step)

    def _keep(self, is_kept: Callable[[Row], bool]) -> None:
        rows = self._rows()
        kept = [row for row in rows if is_kept(row)]
        if len(kept) < len(rows):
            self._write(kept, self.metrics_keys)

    def _rows(self) -> list[Row]:
        path = Path(self.metrics_file_path)
        if not path.exists():
            return []
        with path.open(newline="", errors="replace") as file:
            return list(csv.DictReader(file, restval=""))

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        self._write(self._rows(), fieldnames)

    def _write(self, rows: Iterable[Row], columns: list[str]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        self._replace(text.getvalue().encode())

    def _replace(self, content: bytes) -> None:
        path = Path(self.metrics_file_path)
        if content:
            write_bytes(content, path)
        else:
            path.unlink(missing_ok=True)


class MetricsFile(CSVLogger):
    """Logs to ``<save_dir>/metrics.csv`` immediately.

    A resumed run continues the file: rows that were logged after its checkpoint was saved are dropped, because they
    will be logged again, and so is a last row that a kill left incomplete.

    Args:
        save_dir: The run directory.
    """

    def __init__(self, save_dir: str = ".") -> None:
        super().__init__(save_dir, name="", version="", flush_logs_every_n_steps=1)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer of the file."""
        self._experiment = self._experiment or _AppendingWriter(self.log_dir)
        return self._experiment

    @rank_zero_only
    def forget_after(self, step: int) -> None:
        """Drop the rows of steps beyond the one that training continues from.

        Args:
            step: Updates of G, at least 0.
        """
        self.experiment.forget_after(step)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace | None = None) -> None:
        """Write ``hparams.yaml``, in which anything but plain values is a string.

        Args:
            params: Arguments by name, of any depth.
        """
        super().log_hyperparams(_plain(vars(params) if isinstance(params, Namespace) else params or {}))


def _step(row: Row) -> float:
    """The step of a row; NaN if it has none."""
    try:
        return float(row.get("step") or "nan")
    except ValueError:
        return float("nan")


def _plain(value: Any) -> Any:
    """What YAML holds without tags of Python."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.name
    return value if type(value) in PLAIN else str(value)
