import warnings

import pytest
import torch

from gan_lightning.metrics.statistics import RealStatistics, read_statistics, write_statistics

KEY = {"data": "d", "split": "val", "extractor": "E 1", "count": 3}


def make_statistics(fill: float = 1.5) -> RealStatistics:
    total = torch.full((2,), fill, dtype=torch.float64)
    return RealStatistics(total, torch.outer(total, total), torch.tensor(3), torch.zeros(0, 2))


def test_what_is_written_is_read_and_no_temporary_file_stays(tmp_path):
    path = tmp_path / "new" / "file.safetensors"
    write_statistics(path, KEY, make_statistics())
    for written, read in zip(make_statistics(), read_statistics(path, KEY, 2), strict=True):
        assert torch.equal(written, read)
        assert written.dtype == read.dtype
    assert list(path.parent.iterdir()) == [path]


def test_missing_file_is_no_statistics_and_no_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_statistics(tmp_path / "none.safetensors", KEY, 2) is None


@pytest.mark.parametrize(
    ("statistics", "key", "num_features", "reason"),
    [
        (make_statistics(), KEY | {"count": 4}, 2, "it is that of"),
        (make_statistics(), KEY, 3, r"total should be \(3,\), but is \(2,\)"),
        (make_statistics(float("nan")), KEY, 2, "is not finite"),
    ],
    ids=["key", "size", "nan"],
)
def test_unfit_file_is_ignored_with_the_reason(tmp_path, statistics, key, num_features, reason):
    path = tmp_path / "file.safetensors"
    write_statistics(path, KEY, statistics)
    with pytest.warns(UserWarning, match=reason):
        assert read_statistics(path, key, num_features) is None
