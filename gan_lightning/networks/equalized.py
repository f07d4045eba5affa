"""The equalised learning rate."""

from torch import Tensor, nn
from torch.nn.utils import parametrize


class _Scale(nn.Module):
    """Multiplies a parameter whenever it is used."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, parameter: Tensor) -> Tensor:
        return parameter * self.scale


def equalize(network: nn.Module, gain: float = 2**0.5, lr_factor: float = 1.0) -> nn.Module:
    """Draw weights from N(0, 1), and scale them whenever they are used (Karras et al., 2017, arXiv:1710.10196, 4.1).

    Adam's steps do not depend on the scale of a weight: so all layers learn equally fast.

    Args:
        network: All its linear and convolutional layers, in place; biases become 0. Those that have been equalised
            before stay as they are.
        gain: He et al.'s, √2 before rectifiers and 1 elsewhere.
        lr_factor: Of the learning rate of these layers, also of their biases.

    Returns:
        The network itself.
    """
    for module in network.modules():
        if not isinstance(module, nn.Linear | nn.Conv2d) or parametrize.is_parametrized(module):
            continue
        nn.init.normal_(module.weight, 0.0, 1 / lr_factor)
        scale = gain * module.weight[0].numel() ** -0.5
        parametrize.register_parametrization(module, "weight", _Scale(scale * lr_factor))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
            if lr_factor != 1:
                parametrize.register_parametrization(module, "bias", _Scale(lr_factor))
    return network
