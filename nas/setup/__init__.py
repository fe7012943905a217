"""What a run is asked to do, and all that this stands for: configuration, folder, setup, workers."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.setup.checks import check_parts as check_parts, check_profile as check_profile
    from nas.setup.config import RunConfig as RunConfig
    from nas.setup.damage import naming_damage as naming_damage
    from nas.setup.finding import find_run as find_run, results_folder as results_folder, resuming as resuming
    from nas.setup.folder import RunFolder as RunFolder, free_name as free_name
    from nas.setup.names import check_name as check_name, plain_name as plain_name
    from nas.setup.pretrained import called_space as called_space
    from nas.setup.progress import Progress as Progress, ProgressTask as ProgressTask, Silent as Silent
    from nas.setup.resolution import check_file as check_file, resolve as resolve
    from nas.setup.reuse import on_supernet_of as on_supernet_of
    from nas.setup.run_setup import Setup as Setup
    from nas.setup.spaces import build_space as build_space
    from nas.setup.starting_file import write_starting_file as write_starting_file
    from nas.setup.values import assign as assign, put as put, read_yaml as read_yaml

lazy(__name__)
