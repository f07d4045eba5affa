"""Initialisations of whole networks, in place."""

from torch import nn


def init_normal(network: nn.Module, std: float) -> None:
    """DCGAN's: N(0, std) for weights, N(1, std) for batch norm scales, 0 for biases (arXiv:1511.06434, section 4)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_xavier(network: nn.Module) -> None:
    """SNGAN's: Glorot uniform, gain √2 for 3x3 convolutions, else 1, and 0 for biases (arXiv:1802.05957)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            gain = 2**0.5 if getattr(module, "kernel_size", None) == (3, 3) else 1.0
            nn.init.xavier_uniform_(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def init_orthogonal(network: nn.Module) -> nn.Module:
    """BigGAN's: orthogonal weights (Saxe et al., 2013, arXiv:1312.6120), and 0 for biases (arXiv:1809.11096).

    Returns:
        The network itself.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            nn.init.orthogonal_(module.weight)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return network
