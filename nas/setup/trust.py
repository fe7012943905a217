"""Whose a folder is: what a file that somebody hands over names is neither imported nor connected to.

A configuration may name a part that is imported (``module:object``), a database or a cluster. That counts where the
user typed it. A folder keeps a *seal*: proof that this user, who alone has the key, typed or confirmed these names for
that location. Without it they are refused until they are confirmed.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.evaluation.evaluators import EVALUATORS
from nas.files import keep_secret
from nas.methods import METHODS
from nas.models import names_own_code
from nas.search import STRATEGIES
from nas.setup.config import RunConfig
from nas.setup.names import is_table
from nas.setup.spaces import OWN_MODEL, SPACES
from nas.setup.trackers import TrackerName

__all__ = ["is_sealed", "outward_links", "own_parts", "reached", "seal"]

_KEY_BYTES = 32
_NAMES = (
    "space_args",
    "search_args",
    "strategy_args",
    "sharing_args",
    "method_args",
    "target_args",
    "costs_args",
    "data_dir",
    "evaluator_args",
)
_ARGUMENTS: dict[str, Any] = {**dict.fromkeys(_NAMES, True), "profile": {"predictor_args"}}

logger = logging.getLogger(__name__)


def reached(config: RunConfig) -> dict[str, str]:
    """What a configuration has this process import or connect to: key → name.

    >>> reached(RunConfig(space="mine:tiny", storage="postgresql://db/nas"))
    {'space': 'mine:tiny', 'storage': 'postgresql://db/nas'}
    """
    services = " and ".join(name for name in config.track if name != TrackerName.TENSORBOARD) or None
    addresses = {"storage": config.storage, "ray.address": config.ray.address, "track": services}
    return own_parts(config) | {key: address for key, address in addresses.items() if address not in (None, "auto")}


def own_parts(config: RunConfig) -> dict[str, str]:
    """The parts that a configuration names as ``module:object``: key → name."""
    families = {
        "space": SPACES.own_code(config.space),
        "evaluator": EVALUATORS.own_code(config.evaluator),
        "strategy": STRATEGIES.own_code(config.strategy),
        "method": METHODS.own_code(config.method),
    }
    named = {
        **{key: name for key, name in families.items() if name is not None},
        **_own_model(config),
        **_own_proxy(config),
        "task": config.task,
        "target": "" if is_table(config.target) else config.target,
        "profile.predictor": config.profile.predictor,
        **{f"costs.{number}": name for number, name in enumerate(config.costs)},
    }
    return {key: name for key, name in named.items() if ":" in name}


def _own_model(config: RunConfig) -> dict[str, str]:
    """The model that the arguments of its space name, where that is a function of a user."""
    arguments = {"space_args.model": config.space_args, "search_args.model": config.search_args}
    named = {key: given.get("model") for key, given in arguments.items() if config.space == OWN_MODEL}
    return {key: name for key, name in named.items() if isinstance(name, str) and names_own_code(name)}


def _own_proxy(config: RunConfig) -> dict[str, str]:
    """The proxy that the evaluator's arguments name, where that is a function of a user."""
    proxy = config.evaluator_args.get("proxy")
    return {"evaluator_args.proxy": proxy} if config.evaluator == "zero-cost" and isinstance(proxy, str) else {}


def outward_links(folder: Path) -> Iterator[Path]:
    """Links in a folder that lead out of it, through which files elsewhere would be read or written."""
    top = folder.resolve()
    return (path for path in folder.rglob("*") if path.is_symlink() and not path.resolve().is_relative_to(top))


def seal(location: str, config: RunConfig) -> str | None:
    """Hex HMAC-SHA256 of a location and of what a configuration reaches there, under the key of this user.

    None, and a word about what follows, where no key can be kept.

    Args:
        location: path of a run's folder, or the kind of thing that goes elsewhere and comes back.
    """
    try:
        return _seal(_key(), location, config)
    except OSError as error:
        if reached(config):
            logger.warning(
                "%s cannot be kept (%s), so what is begun here will take --trust later; XDG_STATE_HOME may name "
                "another folder.",
                error.filename,
                error.strerror,
            )
        return None


def is_sealed(location: str, config: RunConfig, found: object) -> bool:
    """Whether this user made a seal, ``found`` in a file, for that location and what the configuration reaches."""
    if not isinstance(found, str) or not found.isascii() or not _key_file().exists():
        return False
    return hmac.compare_digest(found, _seal(_key(), location, config))


def _seal(key: bytes, location: str, config: RunConfig) -> str:
    arguments = config.model_dump(mode="json", include=_ARGUMENTS)
    sealed = {"data" if name == "task" else name: value for name, value in reached(config).items()}  # as it ever was
    content = json.dumps([location, sealed, arguments], sort_keys=True)
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()


def _key_file() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "nas" / "key"


def _key() -> bytes:
    """The user's key, made when it is first needed."""
    return keep_secret(_key_file(), lambda: secrets.token_bytes(_KEY_BYTES)).read_bytes()
