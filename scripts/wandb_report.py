"""Make the report of a Weights & Biases project: distances, both players, samples and speed of its runs.

    pip install "gan-lightning[wandb]" && wandb login
    python scripts/wandb_report.py --entity me --project gan-lightning

Prints the address of the report, which follows the runs of the project, new ones included.
"""

import argparse
from importlib import import_module
from typing import Any

from gan_lightning.panels import PANELS, Panel

STEP = "trainer/global_step"
"""Updates of G: the axis of every curve."""
SPEED = Panel("Speed", ("train/images_per_second",))


def build(entity: str, project: str) -> Any:
    """The report, not saved yet."""
    parts: Any = import_module("wandb_workspaces.reports.v2")
    plots = [
        parts.LinePlot(title=panel.title, x=STEP, y=[*panel.keys], log_y=panel.is_log) for panel in (*PANELS, SPEED)
    ]
    runs = parts.Runset(entity=entity, project=project, name="Runs")
    return parts.Report(
        entity=entity,
        project=project,
        title="GANs",
        description="Every run of the project, over updates of G.",
        blocks=[
            parts.H1("Samples"),
            parts.PanelGrid(runsets=[runs], panels=[parts.MediaBrowser(media_keys=["samples"])]),
            parts.H1("Curves"),
            parts.PanelGrid(runsets=[runs], panels=plots),
        ],
    )


def main() -> None:
    """Parse the arguments and save the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entity", required=True, help="user or team")
    parser.add_argument("--project", default="gan-lightning")
    arguments = parser.parse_args()
    report = build(arguments.entity, arguments.project)
    report.save()
    print(report.url)


if __name__ == "__main__":
    main()
