"""Numbers as a reader of a journal expects them; what is not defined is a dash, never "nan"."""

import math
from collections.abc import Iterable

DASH = "–"
MINUS = "\N{MINUS SIGN}"


def decimal(value: float, digits: int = 3, signed: bool = False) -> str:
    """A number with a fixed count of decimals, such as ``0.812`` or, signed, ``+0.012``."""
    if not math.isfinite(value):
        return DASH
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def common_digits(values: Iterable[float]) -> int:
    """Decimals with which numbers that stand together are written: 3 below 10, 2 below 100, 1 below 1000, then none."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return next((digits for digits, end in ((3, 9.9995), (2, 99.995), (1, 999.95)) if largest < end), 0)


def mean_and_sd(mean: float, sd: float, digits: int = 3) -> str:
    """Such as ``0.812 ± 0.041``; the mean alone where there is no spread."""
    if not (math.isfinite(mean) and math.isfinite(sd)):
        return decimal(mean, digits)
    return f"{decimal(mean, digits)} ± {decimal(sd, digits)}"


def interval(low: float, high: float, signed: bool = False, digits: int = 3) -> str:
    """Such as ``0.79 to 0.83``: "to" cannot be read as a minus sign."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return DASH
    return f"{decimal(low, digits, signed)} to {decimal(high, digits, signed)}"


def p_value(value: float) -> str:
    """Such as ``0.034``, or ``< 0.001`` for what three decimals would call zero."""
    return "< 0.001" if value < 0.0005 else decimal(value)


def counted(count: int, one: str, several: str | None = None) -> str:
    """Such as ``1 case`` or ``3 cases``."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def named(names: Iterable[object], most: int = 4) -> str:
    """Names joined by commas; of many the first, and how many more there are."""
    texts = [str(name) for name in names]
    if len(texts) <= most + 1:
        return ", ".join(texts)
    return f"{', '.join(texts[:most])} and {len(texts) - most} more"


def duration(seconds: float) -> str:
    """Such as ``42 s``, ``2.4 min`` or ``1.3 h``."""
    if not math.isfinite(seconds):
        return DASH
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5940 else f"{seconds / 3600:.1f} h"


def memory(mebibytes: float) -> str:
    """Such as ``812 MiB`` or ``2.4 GiB``."""
    if not math.isfinite(mebibytes):
        return DASH
    return f"{mebibytes:.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"
