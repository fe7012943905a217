"""All that varies in a model, and why the rest stays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nas.conversion.choices import Kernel, Width
from nas.conversion.cutting import Follower
from nas.conversion.depth import Stage
from nas.conversion.following.graph import Graph, Place
from nas.conversion.groups import Groups
from nas.space import Choice

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """All that varies in a model.

    Attributes:
        graph, groups: of the model.
        followers: attributes that are sizes.
        widths, kernels, stages: the choices; kernels by the path of the convolution.
    """

    graph: Graph
    groups: Groups
    followers: Sequence[Follower]
    widths: Sequence[Width]
    kernels: Mapping[str, Kernel]
    stages: Sequence[Stage]

    @property
    def choices(self) -> list[Choice]:
        """Widths, kernels and depths."""
        depths = [choice for stage in self.stages for choice in stage.runs.values()]
        return [*(width.choice for width in self.widths), *(each.choice for each in self.kernels.values()), *depths]

    def name_of(self, place: Place) -> str | None:
        """The choice under which a parameter is listed: of its first dimension that varies, its kernel, its stage."""
        names = {number: str(width.choice.name) for width in self.widths for number in width.each}
        for dim in sorted(dim for held, dim in self.groups.layouts if held == place):
            for number in self.groups.layouts[place, dim].groups:
                if number in names:
                    return names[number]
        if place.path in self.kernels and place.name == "weight":
            return str(self.kernels[place.path].choice.name)
        for stage in self.stages:
            inside = place.path.removeprefix(f"{stage.path}." if stage.path else "")
            block = inside.partition(".")[0]
            if inside != place.path or not stage.path:
                for (start, stop), choice in stage.runs.items():
                    if block.isdigit() and start <= int(block) < stop:
                        return str(choice.name)
        return None

    def reasons(self, places: Iterable[Place]) -> dict[str, list[Place]]:
        """Why parameters stay → which they are."""
        found: dict[str, list[Place]] = {}
        for place in places:
            if self.name_of(place) is None:
                found.setdefault(self._reason(place), []).append(place)
        return found

    def _reason(self, place: Place) -> str:
        for dim in sorted(dim for held, dim in self.graph.axes if held == place):
            for channel in self.graph.axes[place, dim].ids[:1].tolist():
                number = int(self.groups.of_channel[channel]) if channel >= 0 else -1
                if number >= 0:
                    return self.groups.all[number].reason or ""
        return self.graph.whole.get(place, "it carries no channels that could vary")
