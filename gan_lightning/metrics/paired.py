"""How near translations of images are to their targets."""

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

AT_ONCE = 50
"""Images that are compared together."""
HIGHEST = 255.0
"""Of a pixel."""


def distances_to_targets(images: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Means over pairs of an image and its target, by name.

    "l1" is the mean absolute difference of pixels in [-1, 1], 0 for equal images; "psnr" the ratio of peak signal to
    noise in dB; "ssim" the structural similarity (Wang et al., 2004), 1 for equal images.

    Args:
        images: uint8 (N, C, H, W), sides of 11 pixels or more.
        targets: Of the same shape.

    Example:
        >>> black = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
        >>> {name: round(value.item(), 2) for name, value in distances_to_targets(black, black + 51).items()}
        {'l1': 0.4, 'psnr': 13.98, 'ssim': 0.0}
    """
    parts: dict[str, list[Tensor]] = {"l1": [], "psnr": [], "ssim": []}
    for batch in zip(images.split(AT_ONCE), targets.split(AT_ONCE), strict=True):
        fake, real = (pixels.float() for pixels in batch)
        parts["l1"].append((fake - real).abs().mean((1, 2, 3)) * 2 / HIGHEST)
        ratio = peak_signal_noise_ratio(fake, real, HIGHEST, reduction="none", dim=(1, 2, 3))
        parts["psnr"].append(ratio)
        similarity = structural_similarity_index_measure(fake, real, data_range=HIGHEST, reduction="none")
        parts["ssim"].append(torch.as_tensor(similarity))
    return {name: torch.cat(values).mean() for name, values in parts.items()}
