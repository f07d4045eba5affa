"""The protocol beside the number: a Fréchet distance means nothing without it."""

import dataclasses
from collections.abc import Mapping, Sequence


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
        class_counts: In whose proportions a conditional GAN drew classes; None for another GAN.
        others: Values of other metrics on the same features, of as many real images as fakes.
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
    class_counts: Sequence[int] | None = None
    others: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        weights = "EMA" if self.ema else "raw weights"
        others = "".join(f"; {name} {value:.2f}" for name, value in self.others.items())
        return (
            f"{self.metric} {self.value:.2f} at step {self.step}: {self.fakes} fakes ({weights}, seed {self.seed}) "
            f"against {self.reals} {self.split} images of {self.data}, {self.extractor}{others}"
        )

    def protocol(self) -> dict[str, str | int | bool | Sequence[int] | None]:
        """All fields but the values and their step, for the hyperparameters of a logger."""
        values = ("value", "step", "others")
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in values}
