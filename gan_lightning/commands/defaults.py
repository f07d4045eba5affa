"""What every run of the command has."""

from typing import Any

from lightning.pytorch import Callback

from gan_lightning.callbacks import (
    BestCheckpoint,
    Doctor,
    Evaluation,
    GracefulStop,
    LastCheckpoint,
    PredictionWriter,
    Progress,
    RankCheck,
    Report,
    SampleGrid,
    Throughput,
    ValidationSpacing,
)

TRAINER_DEFAULTS: dict[str, Any] = {
    "default_root_dir": "runs",
    "logger": [{"class_path": "gan_lightning.engine.metrics_file.MetricsFile"}],
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
    "enable_model_summary": False,
}
CALLBACKS: dict[str, type[Callback]] = {
    "validation": ValidationSpacing,
    "evaluation": Evaluation,
    "doctor": Doctor,
    "samples": SampleGrid,
    "throughput": Throughput,
    "progress": Progress,
    "predictions": PredictionWriter,
    "rank_check": RankCheck,
    "report": Report,
    "stop": GracefulStop,
    "best": BestCheckpoint,
    "last": LastCheckpoint,
}
"""The callbacks of every run, by the name of their options."""

HELP = {
    "config": "A file, or the name of a configuration of the package, such as data/mnist; later ones win.",
    "ckpt_path": "The checkpoint to resume from or to use: last, best, or a path.",
}
"""Of options that Lightning adds."""
NOT_EVALUATED = (
    "no validation yet (trainer.val_check_interval), no samples (evaluation.num_samples), or features for other data"
)
