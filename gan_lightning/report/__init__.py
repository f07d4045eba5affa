"""A page that says how a run goes: its verdict in words, its samples, curves, findings, and how to reproduce it."""

from gan_lightning.report.page import render
from gan_lightning.report.run import Run, read_run

__all__ = ["Run", "read_run", "render"]
