"""What a part says of itself, read from its source, which is not run."""

import ast
from functools import cache
from importlib.util import find_spec

__all__ = ["described"]


def described(reference: str) -> dict[str, str]:
    """The texts that ``module:object`` gives of itself; none where its source is not there or does not say.

    Of a function or a class that is the first line of its documentation, as ``summary``; of what a call makes, the
    texts among the arguments by name, also those that the called function gives to what it returns.

    >>> described("json:dumps")["summary"]
    'Serialize ``obj`` to a JSON formatted ``str``.'
    """
    module, _, name = reference.partition(":")
    tree = _tree(module)
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            returned = node.body[-1].value if isinstance(node.body[-1], ast.Return) else None
            return {"summary": (ast.get_docstring(node) or "").partition("\n")[0], **_texts(returned)}
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name and isinstance(node.value, ast.Call):
            return {**_of_function(ast.unparse(node.value.func), tree), **_texts(node.value)}
    return {}


def _of_function(function: str, tree: ast.Module) -> dict[str, str]:
    """Of one that is imported."""
    imports = [each for each in tree.body if isinstance(each, ast.ImportFrom)]
    origin = next((each.module for each in imports if function in [alias.name for alias in each.names]), None)
    return described(f"{origin}:{function}") if origin else {}


def _texts(call: ast.expr | None) -> dict[str, str]:
    """The arguments by name of a call that are plain texts."""
    keywords = call.keywords if isinstance(call, ast.Call) else []
    values = {str(each.arg): each.value.value for each in keywords if isinstance(each.value, ast.Constant)}
    return {key: value for key, value in values.items() if isinstance(value, str)}


@cache
def _tree(module: str) -> ast.Module:
    spec = find_spec(module)
    source = getattr(spec and spec.loader, "get_source", lambda name: None)(module)
    return ast.parse(source or "")
