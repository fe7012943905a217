"""Parts are found and their options checked in one way, whoever wrote them."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from nas.data import TASKS
from nas.errors import UsageError
from nas.evaluation import EVALUATORS
from nas.hardware import TARGETS
from nas.methods import METHODS
from nas.parts import Slot, _description, check_options
from nas.predictors import PREDICTORS
from nas.search import STRATEGIES
from nas.setup.spaces import SPACES

if TYPE_CHECKING:
    from collections import Counter

SLOTS: list[Slot[Any]] = [SPACES, METHODS, STRATEGIES, TARGETS, PREDICTORS, EVALUATORS, TASKS]


def register(monkeypatch: pytest.MonkeyPatch, *parts: tuple[str, str, str]) -> None:
    """Makes packages register parts: name, ``module:object``, and the package."""

    def found(group: str, name: str | None = None) -> list[EntryPoint]:
        entries = [EntryPoint(each, value, group) for each, value, _ in parts]
        for entry, (*_, package) in zip(entries, parts, strict=True):
            vars(entry).update(dist=SimpleNamespace(name=package, version="1.0"))
        return [entry for entry in entries if name in (None, entry.name)]

    monkeypatch.setattr("nas.parts._registered", found)


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.name)
def test_every_part_that_ships_is_there_and_says_what_it_is(slot: Slot[Any]) -> None:
    listed = list(slot.listing())
    assert listed and [each.name for each in listed] == [*slot, *(f"{prefix}:NAME" for prefix in slot.families)]
    for each in listed:
        assert each.summary and "\n" not in each.summary
        assert each.package == "nas"
    for each in listed[: len(list(slot))]:
        made = _description(slot[each.name])
        assert made["summary"] == each.summary and (
            made.keys() == {"summary"} or each.description.items() <= made.items()
        )


def test_what_is_no_family_takes_no_name() -> None:
    with pytest.raises(
        UsageError, match="'hashed-bank' takes no name after it, as 'hashed-bank:darts' has; few-shot:NAME"
    ):
        METHODS["hashed-bank:darts"]


def test_a_family_makes_its_parts_of_their_names() -> None:
    shapes: Slot[Any] = Slot("shape", "mine.shapes", {}, callable, "a function", {"attribute": "operator:attrgetter"})
    assert shapes["attribute:numerator"](3) == 3
    assert shapes.own_code("attribute:numerator") is None
    assert shapes.own_code("json:dumps") == "json:dumps"
    assert shapes.own_code("attribute:json:dumps") == "json:dumps"
    with pytest.raises(UsageError, match="shape 'attribute' needs a name after it, such as 'attribute:NAME'"):
        shapes.require("attribute")


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.name)
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing-like-it", "'nothing-like-it' is not known; known are "),
        ("no_such_module:thing", "'no_such_module:thing' names no importable module 'no_such_module'; install it"),
        ("json:thing", "'json:thing' is not there: module 'json' has no 'thing'"),
        ("json:", "'json:' is no package.module:object"),
        ("sys:maxsize", "'sys:maxsize' is of type int, expected a"),
    ],
)
def test_what_is_no_part_is_refused_in_one_sentence(slot: Slot[Any], name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=f"^{slot.name} {sentence}") as caught:
        slot[name]
    assert str(caught.value).count("\n") == 0


def test_packages_register_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    register(
        monkeypatch, ("ours", "nas.search.random_search:RandomSearch", "ours"), ("broken", "no_such_module:X", "theirs")
    )
    assert list(STRATEGIES)[-2:] == ["broken", "ours"] and STRATEGIES["ours"] is STRATEGIES["random"]
    listed = {each.name: each for each in STRATEGIES.listing()}
    assert listed["ours"].package == "ours 1.0" and "cannot be loaded" in listed["broken"].summary
    with pytest.raises(
        UsageError, match=r"strategy 'broken' of theirs 1\.0 cannot be loaded \(ModuleNotFoundError: .*\)"
    ):
        STRATEGIES["broken"]


def test_a_name_that_two_packages_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(
        monkeypatch,
        ("random", "nas.search.random_search:RandomSearch", "theirs"),
        *[("twice", "json:dumps", x) for x in "ab"],
    )
    with pytest.raises(UsageError, match=r"strategy 'random' is registered by nas and theirs 1\.0; name the one"):
        STRATEGIES["random"]
    with pytest.raises(UsageError, match=r"strategy 'twice' is registered by a 1\.0 and b 1\.0"):
        STRATEGIES["twice"]


def test_a_user_names_a_part_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_the_run.py").write_text("from nas.search.random_search import RandomSearch as Mine\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert STRATEGIES["beside_the_run:Mine"] is STRATEGIES["random"]
    assert sys.path[-1] == ""


def bake(
    oven: str,
    loaves: int = 1,
    heat: float = 2.0,
    hot: bool = True,
    kind: str = "rye",
    seeds: Sequence[str] = (),
    by: "Callable[[int], int] | None" = None,
) -> None: ...


def test_options_are_of_the_types_that_are_annotated() -> None:
    given = {"loaves": 2, "heat": 3, "hot": False, "kind": "oat", "seeds": ["a", "b"]}
    assert check_options(bake, given, "baker 'bake'", ["oven"]) == given


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"loaf": 1}, "baker 'bake' has no option 'loaf'; did you mean 'loaves'?"),
        ({"oven": "x"}, "baker 'bake' has no option 'oven'; "),
        ({"loaves": "2"}, "baker 'bake' has loaves '2', but input should be a valid integer"),
        ({"loaves": True}, "baker 'bake' has loaves True, but"),
        ({"loaves": 1.5}, "baker 'bake' has loaves 1.5, but"),
        ({"hot": 1}, "baker 'bake' has hot 1, but input should be a valid boolean"),
        ({"kind": 3}, "baker 'bake' has kind 3, but input should be a valid string"),
        ({"seeds": ["a", 1]}, r"baker 'bake' has seeds.1 1, but input should be a valid string"),
    ],
)
def test_options_of_another_name_or_type_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=f"^{sentence}".replace("?", r"\?")):
        check_options(bake, options, "baker 'bake'", ["oven"])


def test_annotations_that_only_type_checkers_know_refuse_nothing() -> None:
    def count(of: "Counter[str]", most: int = 3) -> None: ...

    assert check_options(count, {"most": "all"}, "count") == {"most": "all"}
    with pytest.raises(UsageError, match="count has no option 'mst'"):
        check_options(count, {"mst": 1}, "count")


def test_what_a_signature_does_not_name_is_no_option() -> None:
    def take(space: str, **options: Any) -> None: ...

    with pytest.raises(UsageError, match="take has no option 'x'; there is none"):
        check_options(take, {"x": 1}, "take", ["space"])


def test_options_of_objects_that_are_called_as_functions_are() -> None:
    class Oven:
        def __call__(self, candidate: object, bits: int = 8) -> None: ...

    oven = Oven()
    for each in (oven, partial(oven.__call__)):
        assert check_options(each, {"bits": 4}, "cost 'oven'", ["candidate"]) == {"bits": 4}
        with pytest.raises(UsageError, match="cost 'oven' has bits 'four', but input should be a valid integer"):
            check_options(each, {"bits": "four"}, "cost 'oven'", ["candidate"])


def test_a_module_that_fails_says_for_which_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_part.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ZeroDivisionError) as failed:
        TARGETS["broken_part:Chip"]
    assert failed.value.__notes__ == ["Target 'broken_part:Chip' cannot be had: its module fails when it is imported."]
