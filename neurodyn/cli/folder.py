"""The folder that a command writes to, and what an earlier command left in it."""

import pathlib

from neurodyn.errors import FileError


def check_folder(path: pathlib.Path) -> None:
    """Refuse a folder that cannot be made, before the work; nothing is left, however the work ends."""
    for folder in make_folder(path):
        folder.rmdir()


def make_folder(path: pathlib.Path) -> list[pathlib.Path]:
    """Make a folder to write to, and return what was made, the innermost first."""
    if path.exists() and not path.is_dir():
        raise FileError(f"{path} is a file; give --out the name of a folder.")
    absent = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise FileError(
            f"The folder {path} cannot be made ({reason}); give --out a folder in a place where you may write."
        ) from error
    return absent


def start_folder(path: pathlib.Path, names: tuple[str, ...]) -> pathlib.Path:
    """The folder, made, without the files of these names that an earlier command left in it."""
    make_folder(path)
    clear(path, names)
    return path


def clear(folder: pathlib.Path, names: tuple[str, ...]) -> None:
    """Remove the files of these names, which another command of the same kind wrote; all others stay."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    figures = folder / "figures"
    if figures.is_dir() and not any(figures.iterdir()):
        figures.rmdir()
