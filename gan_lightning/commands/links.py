"""What the data decide about a GAN."""

from typing import Any

from lightning.pytorch import LightningDataModule

from gan_lightning.batches import read_batch


def data_decide(name: str, data: LightningDataModule) -> Any:
    """An argument of a GAN that the data decide.

    A user's data module may know it only once it is set up, or not at all; a shape is then read from a batch.

    Args:
        name: "image_shape", (C, H, W), or "num_classes", 0 for data without labels.
        data: The data module.

    Raises:
        ValueError: If the number of classes is unknown.
    """
    if getattr(data, name, None) is None:
        data.prepare_data()
        data.setup("fit")
    value = getattr(data, name, None)
    if value is not None:
        return tuple(value) if name == "image_shape" else value
    if name == "num_classes":
        raise ValueError(
            f"{type(data).__name__} does not say how many classes its labels have: give it an attribute num_classes, 0 "
            "for an unconditional GAN."
        )
    images, _ = read_batch(next(iter(data.train_dataloader())))
    return tuple(images.shape[1:])


def check_decision(name: str, asked: Any, default: Any, decided: Any) -> None:
    """Refuse another value than that of the data.

    Args:
        name: As that of :func:`data_decide`.
        asked: The argument, as the user gave it.
        default: That of the GAN.
        decided: What the data say.

    Raises:
        ValueError: If the user asked for something else.
    """
    if asked not in (None, default) and _listed(asked) != _listed(decided):
        raise ValueError(f"--model.{name} is {asked}, but the data say {decided}: leave it out; the data decide.")


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
