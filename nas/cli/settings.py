"""From what was typed to the settings of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas import setup
from nas.cli.groups import PlaceOptions
from nas.evaluation.evaluators import traits_of
from nas.latency import find_known, find_target
from nas.setup.names import plain_name

__all__ = ["is_given", "known_devices", "moved", "name_target", "opened", "resolve", "resolve_search", "values_of"]


def known_devices(names: Sequence[str] | None, results: Path) -> list[str] | None:
    return [find_known(results, name) for name in names] if names else None


def resolve(file: Path | None, given: dict[str, Any], settings: Sequence[str] | None, results: Path) -> setup.RunConfig:
    values = values_of(file, given, settings)
    name_target(values, results)
    return setup.resolve(values, "command line")


def resolve_search(
    file: Path | None, given: dict[str, Any], settings: Sequence[str] | None, results: Path, swept: Sequence[str] = ()
) -> tuple[setup.RunConfig, str]:
    """The settings of a search and what it is called by default; an imported device brings its latency predictor.

    Args:
        swept: constraints of a sweep, the first of which comes after those that all its searches have in common.
    """
    values = values_of(file, given, settings)
    if swept:
        values["constraints"] = [*values.get("constraints", []), swept[0]]
    if values.get("supernet") is not None:
        values = setup.on_supernet_of(setup.RunFolder(Path(str(values["supernet"]))), values)
    own_predictor = name_target(values, results)
    if own_predictor and not is_given(values, "profile", "run"):
        setup.put(values, "profile.run", str(own_predictor))
    config = setup.resolve(values, "command line")
    how = config.method if traits_of(config.evaluator).needs_supernet else config.evaluator
    named = (setup.called_space(config), *([config.task] if config.has_model else []), how)
    return config, "-".join(map(plain_name, named))


def name_target(values: dict[str, Any], results: Path) -> Path | None:
    """Puts the table of an imported device where it is named as target; gives its folder, None for other targets."""
    given = values.get("target")
    if not isinstance(given, str):
        return None
    values["target"] = find_target(results, given)
    return None if values["target"] == given else Path(values["target"]).parent


def moved(config: setup.RunConfig, place: PlaceOptions) -> setup.RunConfig:
    """The same run in another place; what is not given stays, and a cluster or machine called "none" is left."""
    values = config.model_dump(mode="json")
    for key, value in place.settings.items():
        if value is not None:
            setup.put(values, key, None if value == "none" else value)
    return setup.resolve(values, "command line")


def opened(results: Path, name: str, trust: bool) -> setup.RunFolder:
    """The folder of a run that is there, made the user's own where that is asked for."""
    folder = setup.find_run(name, results)
    if trust:
        folder.trust()
    folder.load_config()
    return folder


def is_given(values: dict[str, Any], group: str, key: str) -> bool:
    found = values.get(group)
    return isinstance(found, dict) and found.get(key) is not None


def values_of(file: Path | None, given: dict[str, Any], settings: Sequence[str] | None) -> dict[str, Any]:
    """File, then flags, then --set; later ones win."""
    values: dict[str, Any] = {}
    if file:
        values = setup.read_yaml(file)
        setup.check_file(values, str(file))
    for key, value in given.items():
        if value is not None:
            setup.put(values, key, value)
    for setting in settings or []:
        setup.assign(values, setting)
    return values
