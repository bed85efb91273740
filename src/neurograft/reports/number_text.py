"""Numbers as a reader of a journal expects them; what is not defined is a dash, never "nan"."""

import math

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


def mean_and_sd(mean: float, sd: float) -> str:
    """Such as ``0.812 ± 0.041``; the mean alone where there is no spread."""
    return decimal(mean) if not (math.isfinite(mean) and math.isfinite(sd)) else f"{decimal(mean)} ± {decimal(sd)}"


def interval(low: float, high: float, signed: bool = False) -> str:
    """Such as ``0.79 to 0.83``: "to" cannot be read as a minus sign."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return DASH
    return f"{decimal(low, signed=signed)} to {decimal(high, signed=signed)}"


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
