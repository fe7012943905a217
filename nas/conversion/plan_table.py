from collections.abc import Mapping

from nas.conversion.replacement import Plan


def table(plan: Plan, parameters: Mapping[str, int]) -> str:
    return ""
