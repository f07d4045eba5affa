"""Train the classifier whose features `fid_mnist` uses, on the MNIST training images alone.

    python scripts/train_mnist_features.py --root DIR

DIR holds MNIST in torchvision's layout (`DIR/MNIST/raw/*`). Writes `gan_lightning/metrics/mnist_features.safetensors`
and prints the two constants of `mnist_features.py` that go with it. The number of epochs and the schedule are fixed
beforehand; the test images are looked at once, when the weights are final. The same machine gives the same bytes.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.datasets import MNIST

from gan_lightning.metrics.mnist_features import WEIGHTS, DigitClassifier

SEED = 0
EPOCHS = 20
BATCH_SIZE = 128
MAX_LR = 4e-3
MAX_SHIFT = 2  # pixels, each way
MIN_ACCURACY = 0.992
MAX_BYTES = 300_000


def read_split(root: str, train: bool) -> tuple[Tensor, Tensor]:
    """Images, float (N, 1, 28, 28) in [0, 1], and labels (N,)."""
    split = MNIST(root, train=train, download=False)
    return split.data[:, None] / 255, split.targets


def shifted_batches(images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """One shuffled epoch without the incomplete batch, each batch shifted as one by up to two pixels."""
    padded = F.pad(images, (MAX_SHIFT,) * 4)
    for index in torch.randperm(len(images))[: len(images) // BATCH_SIZE * BATCH_SIZE].view(-1, BATCH_SIZE):
        top, left = torch.randint(2 * MAX_SHIFT + 1, (2,)).tolist()
        yield padded[index, :, top : top + 28, left : left + 28], labels[index]


def train(images: Tensor, labels: Tensor) -> DigitClassifier:
    """Fit a classifier by AdamW under the one-cycle schedule; returns it in eval mode."""
    classifier = DigitClassifier()
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=MAX_LR, weight_decay=1e-2)
    steps = EPOCHS * (len(images) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, MAX_LR, total_steps=steps)
    for epoch in range(EPOCHS):
        total = torch.zeros(())
        for batch, targets in shifted_batches(images, labels):
            loss = F.cross_entropy(classifier.classes(classifier(batch)), targets)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.detach()
        print(f"epoch {epoch + 1}/{EPOCHS}: training loss {total.item() * EPOCHS / steps:.4f}", flush=True)
    return classifier.eval()


@torch.no_grad()
def judge(classifier: DigitClassifier, images: Tensor, labels: Tensor) -> tuple[float, int]:
    """Accuracy in [0, 1] and the number of features that are constant over the images."""
    features = torch.cat([classifier(chunk) for chunk in torch.split(images, 1000)])
    accuracy = (classifier.classes(features).argmax(dim=1) == labels).double().mean().item()
    return accuracy, int((features.std(dim=0) < 1e-3).sum())


def serialise(classifier: nn.Module, accuracy: float) -> bytes:
    """The weights as safetensors, with how they came about in the header."""
    recipe = {
        "test_accuracy": accuracy,
        "seed": SEED,
        "epochs": EPOCHS,
        "command": "python scripts/train_mnist_features.py --root DIR",
    }
    # One entry: safetensors writes several in random order, and the bytes must repeat.
    return save(classifier.state_dict(), metadata={"recipe": json.dumps(recipe)})


def main() -> None:
    """Train, judge once, refuse what is not good enough, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="folder that holds MNIST/raw")
    root = parser.parse_args().root
    torch.manual_seed(SEED)
    classifier = train(*read_split(root, train=True))
    accuracy, dead = judge(classifier, *read_split(root, train=False))
    content = serialise(classifier, accuracy)
    print(f"test accuracy {accuracy:.4f}, constant features {dead}, {len(content)} bytes")
    if accuracy < MIN_ACCURACY or dead > 0 or len(content) > MAX_BYTES:
        raise SystemExit(f"Not written: needs {MIN_ACCURACY}, 0 and at most {MAX_BYTES} bytes.")
    WEIGHTS.write_bytes(content)
    print(f'SHA256 = "{hashlib.sha256(content).hexdigest()}"\nTEST_ACCURACY = {accuracy}')


if __name__ == "__main__":
    main()
