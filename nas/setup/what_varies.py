"""What varies in a model that was made elastic, told before anything is trained."""

from nas.files import write_file
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress
from nas.supernet import Supernet
from nas.wording import counted

__all__ = ["tell_what_varies"]

_SHOWN = 20


def tell_what_varies(supernet: Supernet, folder: RunFolder, progress: Progress) -> None:
    """Writes the table of choices to ``space.txt`` and says its first lines, once a run; nothing of other models."""
    if supernet.summary is None or folder.space_table.exists():
        return
    write_file(folder.space_table, f"{supernet.summary}\n")
    lines = supernet.summary.splitlines()
    for line in lines[:_SHOWN]:
        progress.say(line)
    if (more := len(lines) - _SHOWN) > 0:
        progress.say(f"… {counted(more, 'more line')} in {folder.space_table}")
