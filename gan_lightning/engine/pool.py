"""Fakes of earlier updates, shown to D again."""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gan_lightning.arguments import check_counts
from gan_lightning.engine.draws import SharedDraws, counted_seed


class ImagePool(nn.Module):
    """A history of fakes (Shrivastava et al., 2017, arXiv:1612.07828, section 2.3): D forgets less of what G did.

    Each fake goes into the pool while that is not full. Then, with probability 1/2, it changes places with one of the
    pool, at random. Several processes have the same pool, of the fakes of all, and each the images of its share.

    Args:
        size: Images that it holds; 0 for none.
        image_shape: C, H, W.
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int, *image_shape: int) -> None:
        super().__init__()
        check_counts(pool_size=size, least=0)
        self.register_buffer("images", torch.zeros(size, *image_shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, fakes: Tensor, draws: SharedDraws) -> Tensor:
        """What D sees in place of fakes, (N, C, H, W) without graph; a function of (seed, counters of the draws)."""
        size = len(self.images)
        if not size:
            return fakes
        whole = _gathered(fakes)
        random = torch.Generator().manual_seed(counted_seed(*draws.counters, draws.part, size))
        places = torch.randint(size, (len(whole),), generator=random).tolist()
        swaps = torch.rand(len(whole), generator=random).tolist()
        shown, count = [], int(self.count)
        for image, place, swap in zip(whole, places, swaps, strict=True):
            if count < size:
                self.images[count] = image
                count += 1
                shown.append(image)
            elif swap < 0.5:
                shown.append(self.images[place].clone())
                self.images[place] = image
            else:
                shown.append(image)
        self.count.fill_(count)
        return torch.stack(shown)[draws.rank :: draws.world_size].to(fakes.dtype)


def _gathered(images: Tensor) -> Tensor:
    """The images of all processes in the order of the whole batch: process r of n has [r::n]."""
    if not (dist.is_available() and dist.is_initialized()):
        return images
    parts = [torch.empty_like(images) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, images.contiguous())
    return torch.stack(parts, 1).flatten(0, 1)
