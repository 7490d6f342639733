"""Open a recording of electrodes with the mne reader of its format, after looking where its header points."""

import warnings
from pathlib import Path

from neurodyn.errors import FileError
from neurodyn.io.files import (
    READ_ERRORS,
    existing_file,
    first_line,
    head,
    inside_folder,
    is_hdf5,
    is_text,
    reading,
    suffix_of,
    warn,
)
from neurodyn.io.ieeg.lengths import refuse_truncated_brainvision, refuse_truncated_edf

READERS = {
    ".edf": ("edf",),
    ".bdf": ("bdf",),
    ".gdf": ("gdf",),
    ".vhdr": ("brainvision",),
    ".ahdr": ("brainvision",),
    ".fif": ("fif",),
    ".fif.gz": ("fif",),
    ".set": ("eeglab",),
    ".cnt": ("cnt", "ant"),
    ".eeg": ("nihon",),
    ".mef": ("mef",),
    ".mefd": ("mef",),
    ".mff": ("egi",),
    ".nxe": ("eximia",),
    ".hdr": ("nirx",),
    ".snirf": ("snirf",),
    ".bin": ("artemis123", "fil"),
    ".data": ("nicolet",),
    ".sqd": ("kit",),
    ".con": ("kit",),
    ".ds": ("ctf",),
    ".dat": ("curry", "bci2k"),
    ".dap": ("curry",),
    ".rs3": ("curry",),
    ".cdt": ("curry",),
    ".nedf": ("nedf",),
    ".ns1": ("nsx",),
    ".ns2": ("nsx",),
    ".ns3": ("nsx",),
    ".ns4": ("nsx",),
    ".ns5": ("nsx",),
    ".ns6": ("nsx",),
    ".lay": ("persyst",),
}
FOLDERS = (".mefd", ".mff", ".ds")
BRAINVISION = (".vhdr", ".ahdr")
COMPANIONS = {".eeg": BRAINVISION, ".vmrk": BRAINVISION, ".fdt": (".set",)}
SIGNATURES = {
    ".vhdr": (b"Brain", b"\xef\xbb\xbfBrain"),
    ".ahdr": (b"Brain", b"\xef\xbb\xbfBrain"),
    ".edf": (b"0       ",),
    ".bdf": (b"\xffBIOSEMI",),
    ".gdf": (b"GDF",),
    ".fif": (b"\x00\x00\x00\x64", b"\x64\x00\x00\x00"),
    ".set": (b"MATLAB", b"\x89HDF"),
    ".snirf": (b"\x89HDF",),
}


def sniff(path: Path) -> int:
    """Whether a file begins as its format does (2), or only its name speaks for it (1)."""
    suffix = suffix_of(path)
    if path.is_dir():
        return int(suffix in FOLDERS)
    if suffix in COMPANIONS and path.is_file():
        return 1
    if suffix not in READERS or not path.is_file():
        return 0
    start = head(path, 1024)
    if suffix in SIGNATURES:
        return 2 * start.startswith(SIGNATURES[suffix])
    return int(suffix != ".hdr" or is_text(path))


def header_of(path: Path) -> Path | None:
    """The header to give in place of a file that holds only the data or the markers of a recording."""
    headers = COMPANIONS.get(suffix_of(path), ())
    found = [path.with_suffix(header) for header in headers if path.with_suffix(header).is_file()]
    if found or suffix_of(path) == ".eeg":
        return found[0] if found else None
    return path.with_suffix(headers[0]) if headers else None


def open_raw(path):
    """A `mne.io.Raw` without its data loaded; whatever is wrong with the file is one FileError."""
    path = existing_file(path, folder=suffix_of(Path(path)) in FOLDERS)
    suffix = suffix_of(path)
    header = header_of(path)
    if header is not None:
        raise FileError(
            f"{path} holds the data or the markers of a recording, not its header; give its {header.suffix} file, {header}."
        )
    if suffix not in READERS:
        raise FileError(
            f"{path} ends in {suffix or 'nothing'}, which no reader knows; known: {', '.join(READERS)}."
        )
    if not sniff(path):
        raise FileError(f"{path} does not begin like a {suffix} file (damaged, or renamed); fetch it again.")
    if suffix in BRAINVISION:
        refuse_outside_files(path)
        refuse_truncated_brainvision(path, header_lines(path))
    if suffix in (".edf", ".bdf"):
        refuse_truncated_edf(path)
    if suffix == ".set":
        _refuse_outside_data(path)
    return _first_reader(path, READERS[suffix])


def _first_reader(path: Path, names):
    """What the first of several readers that succeeds returns; if none does, each one's reason."""
    import mne

    reasons = []
    for name in names:
        reader = getattr(mne.io, f"read_raw_{name}", None)
        if reader is None:
            reasons.append(f"{name}: not in the installed mne")
            continue
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", RuntimeWarning)
                raw = reader(str(path), preload=False, verbose="WARNING")
        except READ_ERRORS as error:
            reasons.append(f"{name}: {first_line(error)}")
            if len(names) == 1:
                if suffix_of(path) == ".eeg":
                    raise FileError(
                        f"{path} is not a recording of Nihon Kohden, and no header is beside it: if it holds the data of a "
                        "BrainVision recording, fetch its .vhdr file too and give that."
                    ) from error
                raise FileError(
                    f"{path} cannot be read by mne's {name} reader (truncated, or a companion file is missing?): "
                    f"{first_line(error)}"
                ) from error
            continue
        for said in caught:
            if issubclass(said.category, RuntimeWarning) and "naming convention" not in str(said.message):
                warn(f"{path}: {str(said.message).splitlines()[0]}")
        return raw
    raise FileError(f"{path} cannot be read by any of the readers of its ending: {'; '.join(reasons)}.")


def header_lines(path: Path) -> list[str]:
    """Lines of a BrainVision header, in UTF-8 or, where it is not that, Latin-1."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.splitlines()


def refuse_outside_files(path: Path) -> None:
    """Refuse a BrainVision header whose data or marker file lies outside its folder or is missing."""
    for line in header_lines(path):
        name, _, value = line.partition("=")
        if name.strip() not in ("DataFile", "MarkerFile") or not value.strip():
            continue
        named = value.strip().replace("$b", path.stem)
        target = inside_folder(named, path.parent, source=path)
        beside = path.with_suffix(Path(named).suffix)
        if name.strip() == "DataFile" and not target.is_file() and not beside.is_file():
            raise FileError(f"{path} names the data file {named!r}, which is not beside it; fetch it too.")


def _refuse_outside_data(path: Path) -> None:
    """Refuse an EEGLAB header whose data file lies outside its folder."""
    if is_hdf5(path):
        import h5py

        from neurodyn.io.nwb.opening import refuse_outside_links

        with reading(path, "EEGLAB"), h5py.File(path, "r") as file:
            refuse_outside_links(file, path)
            for key in ("data", "EEG/data", "datfile", "EEG/datfile"):
                item = file.get(key)
                if isinstance(item, h5py.Dataset) and item.dtype.kind == "u" and int(item.size or 0) < 4096:
                    _inside_text("".join(chr(code) for code in item[()].ravel()), path)
        return
    from scipy.io import loadmat

    with reading(path, "EEGLAB"):
        names = ["EEG", "data", "datfile"]
        found = loadmat(path, variable_names=names, squeeze_me=True, struct_as_record=False)
    parts = [found.get("data"), found.get("datfile")]
    if "EEG" in found:
        parts += [getattr(found["EEG"], "data", None), getattr(found["EEG"], "datfile", None)]
    for part in parts:
        if isinstance(part, str) and part:
            _inside_text(part, path)


def _inside_text(text: str, path: Path) -> None:
    """Refuse a data file's name that leaves the folder."""
    if text.lower().endswith((".fdt", ".dat", ".set")):
        inside_folder(text, path.parent, source=path)
