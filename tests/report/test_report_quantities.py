import math

import pytest

from nas.report.quantities import axis_format, duration, written

THIN = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.91236, "91.24%"),
        ("test_accuracy", 0.5, "50.00%"),
        ("bits_per_character", 2.3, "2.300"),
        ("test_bits_per_character", 1.48251, "1.483"),
        ("loss", 0.31234, "0.312"),
        ("latency_ms", 1.2345, f"1.23{THIN}ms"),
        ("latency_ms", 12345.6, f"12,346{THIN}ms"),
        ("params", 999, "999"),
        ("params", 999_960, f"1{THIN}M"),
        ("params", 1_234_567, f"1.23{THIN}M"),
        ("flops", 4.5e9, f"4.5{THIN}G"),
        ("peak_memory_bytes", 512_000, f"512{THIN}kB"),
        ("peak_memory_bytes", 12, f"12{THIN}B"),
        ("value", 12_345.6, "12,346"),
        ("value", 6e300, "6e+300"),
        ("params", math.nan, "–"),  # noqa: RUF001
    ],
)
def test_written(name: str, value: float, text: str) -> None:
    assert written(name, value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0.4 s"), (59.9, "59.9 s"), (119.7, "2 min 0 s"), (7300, "2 h 1 min"), (0.0, "0 s")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_metric_other_than_accuracy_is_no_percentage() -> None:
    assert "%" not in written("perplexity", 12.3) and "%" not in axis_format("perplexity")
