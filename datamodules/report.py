"""What a look at the files of a data set found."""

from dataclasses import dataclass


def count_images(count: int) -> str:
    """A number of images, in words.

    Example:
        >>> count_images(1), count_images(5_000)
        ('1 image', '5,000 images')
    """
    return f"{count:,} {'image' if count == 1 else 'images'}"


@dataclass(frozen=True)
class DataCheck:
    """The report of :meth:`ImageDataModule.check`; `print` shows it.

    Args:
        name: Name of the data set.
        present: What is there, a line each, with counts, sizes, and checksums where they are known.
        missing: What is not there and is needed, a line each.
        damaged: What is there and cannot be used, a line each.
        notes: What else is worth knowing, such as what is not there and not needed.

    Example:
        >>> print(DataCheck("drawn", present=("train: 60 images",), missing=("test.zip",)))
        drawn: incomplete
          there    train: 60 images
          missing  test.zip
    """

    name: str
    present: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is missing and nothing damaged."""
        return not self.missing and not self.damaged

    def __str__(self) -> str:
        """The verdict, and below it a line for each finding."""
        faults = [fault for fault, found in (("incomplete", self.missing), ("damaged", self.damaged)) if found]
        findings = {"there": self.present, "missing": self.missing, "damaged": self.damaged, "note": self.notes}
        lines = [f"  {kind:<8} {line}" for kind, found in findings.items() for line in found]
        text = "\n".join([f"{self.name}: {' and '.join(faults) or 'ok'}", *lines])
        return text.encode(errors="backslashreplace").decode()  # a file name need not be valid text
