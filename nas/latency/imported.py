"""Devices whose measurements came back: where they are kept, and how they are named."""

from pathlib import Path

from nas import hardware
from nas.errors import UsageError, did_you_mean
from nas.setup.names import is_table
from nas.setup.platforms import split_platform

__all__ = ["device_table", "find_known", "find_target", "imported_devices"]


def device_table(results: Path, name: str) -> Path:
    """Where the measurements of an imported device are kept."""
    return results / "devices" / name / "measurements.csv"


def imported_devices(results: Path) -> dict[str, str]:
    """The imported devices by name, each with its chip and settings in one line, or with what is wrong with it."""
    tables = sorted(device_table(results, "*").parent.parent.glob("*/measurements.csv"))
    return {table.parent.name: _summary(table) for table in tables}


def find_target(results: Path, name: str) -> str:
    """A target as a run names it: an imported device by the table of its measurements.

    Raises:
        UsageError: neither a target nor an imported device has that name.
    """
    devices = [table.parent.name for table in (results / "devices").glob("*/measurements.csv")]
    if name in devices:
        return str(device_table(results, name))
    if ":" not in name and not is_table(name) and name not in (known := [*hardware.TARGETS, *devices]):
        raise UsageError(f"target '{name}' is not known; {did_you_mean(name, known)}")
    return name


def find_known(results: Path, name: str) -> str:
    """The folder of an imported device or of a profile, by name or by path, with the ``@PLATFORM`` that the name has.

    Raises:
        UsageError: there is none of that name.
    """
    device, platform = split_platform(name)
    folders = {folder.name: folder for folder in results.glob("*") if (folder / "profile.json").exists()}
    folders |= {folder.name: folder for folder in results.glob("devices/*") if (folder / "profile.json").exists()}
    if device not in folders and (Path(device) / "profile.json").exists():
        return name
    if device not in folders:
        hint = did_you_mean(device, folders) if folders else "import a device or profile one first."
        raise UsageError(f"known device '{device}' is neither imported nor profiled in {results}; {hint}")
    return str(folders[device]) if platform == name else f"{folders[device]}@{platform}"


def _summary(table: Path) -> str:
    try:
        first = hardware.read_measurements(table).measurements[0]
    except UsageError as error:
        return f"damaged: {error}"
    versions = ", ".join(f"{key} {value}" for key, value in first.versions.items())
    return f"{first.device}, threads {first.threads}, batch {first.batch}, {first.dtype} ({versions}), imported"
