"""Which layers a game does not reach."""

from collections.abc import Iterator

from torch import nn
from torch.utils.hooks import RemovableHandle

from gan_lightning.findings import Finding

LOOKS = 3
"""Updates of each network in all of which a layer must go without gradient. In the first alone many do: those behind a
weight that begins at 0."""

SHOWN = 3
"""Layers that a message names."""


class Reach:
    """Finds layers that run, and none of whose parameters gets a gradient.

    Layers that do not run may have their turn later, as those of a growing network. Single parameters may have none by
    the nature of the game, such as the last bias of a critic.
    """

    def __init__(self) -> None:
        self._missing: dict[str, list[set[str]]] = {"generator": [], "discriminator": []}
        self._ran: set[nn.Module] = set()
        self._handles: list[RemovableHandle] = []

    @property
    def is_done(self) -> bool:
        """Whether enough updates of each network were seen."""
        return all(len(looks) >= LOOKS for looks in self._missing.values())

    def watch(self, *networks: nn.Module) -> None:
        """Note which layers run until :meth:`rest`."""
        layers = {layer for network in networks for layer in network.modules()}
        self._handles = [layer.register_forward_pre_hook(lambda own, _: self._ran.add(own)) for layer in layers]

    def rest(self) -> None:
        """Note no more."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._ran = set()

    def look(self, name: str, network: nn.Module) -> None:
        """Look at the gradients of a network, after its backward pass."""
        if not self._handles:
            return
        reached: dict[str, bool] = {}
        for path, weight in network.named_parameters():
            outer, is_parametrized, _ = path.partition(".parametrizations.")
            layer = outer if is_parametrized else path.rpartition(".")[0]
            if weight.requires_grad and network.get_submodule(layer) in self._ran:
                is_reached = weight.grad is not None and bool(weight.grad.any())
                reached[layer] = reached.get(layer, False) or is_reached
        has_vanished = not any(reached.values())
        self._missing[name].append({layer for layer in reached if not reached[layer] and not has_vanished})

    def findings(self) -> Iterator[Finding]:
        """What was never reached, once enough was seen."""
        for name, looks in self._missing.items():
            layers = sorted(set.intersection(*looks)) if len(looks) >= LOOKS else []
            if layers:
                shown = ", ".join(layers[:SHOWN]) + (f" and {len(layers) - SHOWN} more" if len(layers) > SHOWN else "")
                yield Finding(
                    f"{name} is cut off",
                    f"No gradient reaches {len(layers)} of the layers of the {name}, though they run: {shown}.",
                    "They stay as they were drawn. Look for detach(), no_grad(), .data or argmax after them, or for a "
                    "result that is not used.",
                )
