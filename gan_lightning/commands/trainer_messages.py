"""What Lightning says, in terms of the command's options, and what of it is not shown."""

import logging
import re
import warnings

from jsonargparse import Namespace
from lightning.pytorch import Trainer

from gan_lightning.arguments import arguments_of

PROGRESS = (
    "A run has a progress bar of its own, --progress.refresh_rate (0 for none): leave the other one out of "
    "--trainer.callbacks."
)
ACCUMULATE = "is not for GANs: --model.accumulate N splits each batch into N, and adds their gradients up."
NO_DEVICE = "This machine has no {} that PyTorch can use: set --trainer.accelerator to auto or cpu."
STRATEGIES = "--trainer.strategy {} is not for GANs. Use gan_ddp, or auto, which chooses it for several devices."
CURES = {
    r"gradient_clip_val": "--trainer.gradient_clip_val is not for GANs, whose players are clipped by themselves: use "
    "--model.generator_optimizer.clip_norm and --model.discriminator_optimizer.clip_norm.",
    r"accumulate_grad_batches": f"--trainer.accumulate_grad_batches {ACCUMULATE}",
    r"GradientAccumulationScheduler": f"GradientAccumulationScheduler {ACCUMULATE}",
    r"enable_checkpointing=False": "A run always keeps its last and its best checkpoint: leave "
    "--trainer.enable_checkpointing out. --trainer.fast_dev_run N tries N steps and writes nothing.",
    r"multiple progress bar|RichProgressBar": PROGRESS,
    r"SWA currently works": "StochasticWeightAveraging needs a single optimizer, and a GAN has two: --model.ema_decay "
    "averages the generator.",
    r"learning rate finder": "LearningRateFinder needs a single optimizer, and a GAN has two; nor do the losses of a "
    "game show a good learning rate. Give --model.lr.",
    r"Interval\.step": "The callback Timer is not for the command: give --trainer.max_time DD:HH:MM:SS.",
    r"barebones=True": "--trainer.barebones forbids loggers, checkpoints and the progress bar, which every run has: "
    "leave it out.",
    r"No supported gpu backend": NO_DEVICE.format("GPU"),
    r"`(\w+)Accelerator` can not run on your system": NO_DEVICE.format(r"\1"),
    r"Timer\(duration='?([^')]*)": r"--trainer.max_time must be DD:HH:MM:SS, got \1.",
    r"torch_xla": NO_DEVICE.format("TPU"),
    r"[Yy]ou requested gpu: (\[[^]]*\])\s+But your machine only has: (\[[^]]*\])": r"--trainer.devices asks for the "
    r"GPUs \1, but this machine has \2.",
    r"devices.* with `?CPUAccelerator|devices.* using cpu": "--trainer.devices must be an integer of at least 1, or "
    "auto, where --trainer.accelerator is cpu.",
    r"The strategy (\w+) cannot train": STRATEGIES.format(r"\1"),
    r"`(fsdp|\w*[Dd]eep[Ss]peed\w*)`": STRATEGIES.format(r"\1"),
    r"invalid strategy name: `strategy='([^']*)'`": STRATEGIES.format(r"\1"),
    r"`profiler`.*(\[.*\])": r"--trainer.profiler must be one of \1.",
    r"Requirement '([\w-]+)[^']*' not met": r"This needs the package \1: pip install \1.",
    r"on metric `([^`]*)` which is not available": r"A callback waits for the score \1, which no run logs. "
    "--config trainer/early_stopping stops by the score of this run.",
    r"every_n_train_steps=(-?\w+)": r"--last.every_n_steps must be at least 0, got \1.",
}
"""What to say instead of Lightning, by a pattern of what it says; ``\\1`` is what its first group matched."""
IDLE_WARNINGS = (
    "`isinstance\\(treespec, LeafSpec\\)`",
    ".*no pre-optimization state was saved",
    ".*could not find the monitored key",
    "LightningCLI's args parameter is intended",
    "The dirpath has changed from",
    "Couldn't infer the batch indices",
    "Checkpoint directory .* exists and is not empty",
    "Be aware that when using `ckpt_path`, callbacks used to create",
    "JsonargparseDeprecationWarning",
    "``instantiate_classes`` was deprecated",
    "skip_none parameter was deprecated",
    "Unable to serialize instance",
)
"""What Lightning warns about and a user of the command can do nothing about."""
OPTIONS = arguments_of(Trainer)
LONG = "|".join(name for name in OPTIONS if "_" in name)
"""Options whose names are no words of a sentence."""
DIVISORS = ("val_check_interval", "check_val_every_n_epoch")
"""Options that Lightning divides by."""


def translate(message: str) -> str | None:
    """What to say instead of a message of Lightning, if it is known.

    Args:
        message: Any message.
    """
    for pattern, cure in CURES.items():
        if found := re.search(pattern, message):
            return found.expand(cure)
    return None


def with_options(message: str) -> str:
    """A message in which the trainer's arguments are spelled as the command's options.

    Args:
        message: Any message.

    Example:
        >>> with_options("fast_dev_run=-1 is not a valid configuration.")
        '--trainer.fast_dev_run=-1 is not a valid configuration.'
        >>> with_options("`devices` and `Trainer(max_time='x')`")
        "--trainer.devices and --trainer.max_time='x'"
    """
    message = re.sub(r"`?Trainer\((\w+)(=[^)]*)\)`?", r"--trainer.\1\2", message)
    message = re.sub(rf"`({'|'.join(OPTIONS)})\b([^`]*)`", r"--trainer.\1\2", message)
    return re.sub(rf"(?<![\w.'-])({LONG})\b", r"--trainer.\1", message)


def check_trainer(options: Namespace) -> None:
    """Refuse numbers on which Lightning fails without saying whose they are.

    Args:
        options: Of the trainer.

    Raises:
        ValueError: If one holds nothing, or is 0 where Lightning divides by it.
    """
    if "BatchSizeFinder" in str(options.get("callbacks")):  # Lightning would run it, and change the order of the images
        raise ValueError("BatchSizeFinder is not for GANs: give --data.batch_size.")
    for name, value in options.as_dict().items():
        if value is None and name in OPTIONS and not _may_be_none(name):
            raise ValueError(f"--trainer.{name} holds nothing. Leave it out, or give a value.")
        if name in DIVISORS and value == 0:
            raise ValueError(
                f"--trainer.{name} must be above 0, got {value}. --trainer.limit_val_batches 0 leaves validation out."
            )


def _may_be_none(name: str) -> bool:
    annotation = str(OPTIONS[name].annotation)
    return "None" in annotation or "Optional" in annotation


def silence() -> None:
    """Drop what Lightning tells and a user of the command can do nothing about."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in IDLE_WARNINGS:
        warnings.filterwarnings("ignore", f"(?s).*{message}")
