"""What watches a run, writes or judges it, and never changes a gradient."""

from gan_lightning.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from gan_lightning.callbacks.doctor import Doctor
from gan_lightning.callbacks.early_stop import EarlyStop
from gan_lightning.callbacks.evaluation import Evaluation
from gan_lightning.callbacks.graceful_stop import GracefulStop
from gan_lightning.callbacks.prediction_writer import PredictionWriter
from gan_lightning.callbacks.progress import Progress
from gan_lightning.callbacks.rank_check import RankCheck
from gan_lightning.callbacks.report import Report
from gan_lightning.callbacks.sample_grid import SampleGrid
from gan_lightning.callbacks.throughput import Throughput
from gan_lightning.callbacks.validation_spacing import ValidationSpacing

__all__ = [
    "BestCheckpoint",
    "Doctor",
    "EarlyStop",
    "Evaluation",
    "GracefulStop",
    "LastCheckpoint",
    "PredictionWriter",
    "Progress",
    "RankCheck",
    "Report",
    "SampleGrid",
    "Throughput",
    "ValidationSpacing",
]
