"""How to run the file that was handed over: what it reads, in words and in lines of Python."""

import html
from collections.abc import Mapping
from typing import Any

from nas.wording import counted

__all__ = ["about_file", "code", "usage"]

_NUMBERS = "numbers as the data set gives them"


def usage(file: Mapping[str, Any]) -> str:
    """HTML: what the file is and reads, then Python that runs it on one example."""
    return f"<p>{html.escape(about_file(file))}</p><pre><code>{html.escape(code(file))}</code></pre>"


def about_file(file: Mapping[str, Any]) -> str:
    """A sentence such as "best.onnx (int8, 84,112 bytes) reads float32 [batch, 3, 32, 32]: RGB pixels from 0 to 1."

    Args:
        file: its ``name``, ``dtype``, ``bytes`` and ``input``, as ``best.json`` tells them.
    """
    given = file["input"]
    shape = ", ".join(map(str, given["shape"]))
    inside = f"{file['dtype']}, {file['bytes']:,} bytes"
    return f"{file['name']} ({inside}) reads {given['dtype']} [{shape}]: {_meaning(given)}."


def code(file: Mapping[str, Any]) -> str:
    """Python that opens the file with ONNX Runtime and says what it makes of one image, or the character after a text.

    Files of earlier runs, which do not tell what their ``answer`` means, choose a class or a character.
    """
    given = file["input"]
    images, own = given["form"] != "ids", _is_own(given)
    answer = file.get("answer", "classes[{output}.argmax()]" if images else "classes[{output}[0, :, -1].argmax()]")
    chooses = "classes" in answer
    imports = [*(["import json", ""] if chooses else []), "import numpy", "import onnxruntime"]
    if images and not own:
        imports.append("from PIL import Image, ImageOps")
    opening = [
        f'session = onnxruntime.InferenceSession("{file["name"]}", providers=["CPUExecutionProvider"])',
        *(['classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])'] if chooses else []),
    ]
    body, name = (_of_array(given), "pixels") if own else (_of_image(given), "pixels") if images else _of_text(given)
    output = f'session.run(None, {{"input": {name}}})[0]'
    return "\n".join([*imports, "", *opening, *body, f"print({answer.format(output=output)})"])


def _meaning(given: Mapping[str, Any]) -> str:
    if given["form"] == "ids":
        return "token ids, each the place of a character in the metadata's classes"
    if "resized_from" in given:
        plain = {name: value for name, value in given.items() if name != "resized_from"}
        size = "x".join(map(str, given["resized_from"]))
        return f"{_meaning(plain)}; images of {size} are resized, {given['resized_by']}"
    colours = f"{given['colours']} " if given["colours"] else ""
    low, high = given["values"]
    values = f"{_NUMBERS} ({low:.3g} to {high:.3g})" if _is_own(given) else f"{colours}pixels from {low:g} to {high:g}"
    if given["form"] != "normalised":
        return values
    return f"{values}, less the mean {_list(given['mean'])} and divided by {_list(given['std'])} channel by channel"


def _is_own(given: Mapping[str, Any]) -> bool:
    """Whether they are numbers of the user's own scale, or with channels that no image file has."""
    return given["form"] != "ids" and (given["values"] not in ([0, 1], [0, 255]) or given["colours"] is None)


def _of_image(given: Mapping[str, Any]) -> list[str]:
    _, channels, height, width = given["shape"]
    mode, most = "RGB" if channels == 3 else "L", max(height, width)
    return [
        'image = Image.open("image.png")',
        f'image.draft("{mode}", ({most}, {most}))  # a large JPEG at a fraction of its size',
        'image = ImageOps.exif_transpose(image).convert("RGBA")  # turned as a viewer shows it',
        'image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)  # on white',
        f'image = image.convert("{mode}").resize(({width}, {height}), Image.Resampling.BILINEAR)',
        f'pixels = numpy.asarray(image, "{given["dtype"]}").reshape(1, {height}, {width}, {channels})'
        f".transpose(0, 3, 1, 2){'' if given['form'] == 'bytes' else ' / 255'}",
        *_normalising(given),
    ]


def _of_array(given: Mapping[str, Any]) -> list[str]:
    shape = ", ".join(map(str, given["shape"][1:]))
    return [f'pixels = numpy.load("example.npy").astype("float32").reshape(1, {shape})', *_normalising(given)]


def _normalising(given: Mapping[str, Any]) -> list[str]:
    if given["form"] != "normalised":
        return []
    shape = (-1, *[1] * (len(given["shape"]) - 2))
    mean, std = (f"numpy.reshape({_list(given[name], exact=True)}, {shape})" for name in ("mean", "std"))
    return [f'pixels = ((pixels - {mean}) / {std}).astype("float32")']


def _of_text(given: Mapping[str, Any]) -> tuple[list[str], str]:
    length = given["shape"][1]
    lines = [
        f'text = open("text.txt", encoding="utf-8").read()[-{length}:]  # {counted(length, "character")}',
        "ids = numpy.array([[classes.index(character) for character in text]])",
    ]
    return lines, "ids"


def _list(values: list[float], exact: bool = False) -> str:
    return f"[{', '.join(repr(value) if exact else f'{value:.4g}' for value in values)}]"
