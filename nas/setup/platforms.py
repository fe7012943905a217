"""Which known devices are one platform: ``NAME``, or ``NAME@PLATFORM`` for variants such as batch sizes of one GPU."""

from collections.abc import Sequence

from nas.errors import UsageError

__all__ = ["known_platforms", "split_platform"]


def split_platform(text: str) -> tuple[str, str]:
    """The name of a device and that of its platform; without one it is a platform of its own.

    A platform has no ``/``, so that an ``@`` in the path of a folder is none.

    >>> split_platform("gpu-batch-8@gpu"), split_platform("phone")
    (('gpu-batch-8', 'gpu'), ('phone', 'phone'))

    Raises UsageError if there is nothing before or after the ``@``.
    """
    name, at, platform = text.rpartition("@")
    if not at or "/" in platform:
        return text, text
    if not name or not platform:
        raise UsageError(f"known device '{text}' is not of the form NAME or NAME@PLATFORM; name both sides of the @.")
    return name, platform


def known_platforms(known: Sequence[str]) -> dict[str, str]:
    """Device → platform, for the entries of ``profile.known``.

    Raises:
        UsageError: a device is named twice, or all that are named are of one platform.
    """
    pairs = dict(map(split_platform, known))
    if len(pairs) < len(known):
        names = [split_platform(each)[0] for each in known]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"profile.known names '{twice}' twice; drop one of them.")
    platforms = set(pairs.values())
    if len(known) > 1 and len(platforms) == 1:
        raise UsageError(
            f"profile.known names {len(known)} devices of one platform '{platforms.pop()}', but transfer learns from "
            "two platforms; add a device of another."
        )
    return pairs
