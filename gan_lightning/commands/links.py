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
