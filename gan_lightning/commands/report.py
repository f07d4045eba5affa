"""The page of a run, or of several side by side: ``gan-lightning report``."""

from datetime import UTC, datetime
from pathlib import Path

from gan_lightning.commands.runs import is_held
from gan_lightning.images import write_bytes
from gan_lightning.report import read_run, render


def report(runs: list[str], out: str | None = None) -> None:
    """Make the page of a run again, or one that compares runs.

    Args:
        runs: Run directories, such as runs/<run>.
        out: The file; default: report.html in the run directory, or beside the first of several. A file that is there
            is replaced.

    Raises:
        FileNotFoundError: If one of them is not a run directory.
        ValueError: If none is given, or one is given twice.
    """
    paths = [Path(run) if Path(run).name else Path(run).resolve() for run in runs]
    if not paths:
        raise ValueError("report needs the directory of a run: gan-lightning report runs/<run> [runs/<another> ...].")
    if len({path.resolve() for path in paths}) < len(runs):
        raise ValueError(f"report got a run twice: {', '.join(runs)}.")
    found = [read_run(path, path.is_dir() and is_held(path)) for path in paths]
    root = paths[0].parent
    page = render(found, datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"), root / "cache")
    place = Path(out) if out else (paths[0] if len(paths) == 1 else root) / "report.html"
    write_bytes(page.encode(), place)
    print(f"Wrote {place}.")
