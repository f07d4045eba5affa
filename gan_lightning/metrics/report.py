"""The protocol beside the number: a Fréchet distance means nothing without it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class EvaluationReport:
    """One value and everything it depends on; ``str()`` is one line for a summary.

    Attributes:
        metric: Key it is logged under, such as ``val/fid_mnist``.
        value: The Fréchet distance; NaN if the generator made non-finite images.
        step: Updates of G that its weights have had.
        fakes: Number of generated images.
        reals: Number of real images.
        split: ``val`` or ``test``.
        data: Fingerprint of the data module, or ``unnamed data`` if it has none.
        extractor: Class and fingerprint of the feature extractor.
        ema: Whether the fakes came from the averaged generator.
        seed: The fakes are a function of it, and of ...
        batch_size: ... how many were drawn at once.
    """

    metric: str
    value: float
    step: int
    fakes: int
    reals: int
    split: str
    data: str
    extractor: str
    ema: bool
    seed: int
    batch_size: int

    def __str__(self) -> str:
        weights = "EMA" if self.ema else "raw weights"
        return (
            f"{self.metric} {self.value:.2f} at step {self.step}: {self.fakes} fakes ({weights}, seed {self.seed}) "
            f"against {self.reals} {self.split} images of {self.data}, {self.extractor}"
        )

    def protocol(self) -> dict[str, str | int | bool]:
        """All fields but the value and its step, for the hyperparameters of a logger."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in ("value", "step")}
