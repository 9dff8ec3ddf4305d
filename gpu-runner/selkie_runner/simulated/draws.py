"""Random numbers that follow from names: no generator, no state, the same on every machine."""

import hashlib
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()


def digest(*names: object) -> str:
    """sha256 of a list of names, as hex."""
    return hashlib.sha256("\0".join(map(str, names)).encode()).hexdigest()


def uniform(*names: object) -> float:
    """A number strictly between 0 and 1."""
    return (int(digest(*names)[:13], 16) + 0.5) / 16**13


def normal(*names: object) -> float:
    """A number of the standard normal distribution."""
    return _NORMAL.inv_cdf(uniform(*names))
