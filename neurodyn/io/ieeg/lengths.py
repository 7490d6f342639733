"""Is the whole recording there: the length a header states against the bytes the file has."""

from pathlib import Path

from neurodyn.errors import FileError
from neurodyn.io.files import head, inside_folder

SAMPLE_BYTES = {"INT_16": 2, "UINT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}


def refuse_truncated_edf(path: Path) -> None:
    """Refuse an EDF or BDF file with fewer bytes than its header's records need."""
    start = head(path, 256)
    width = 3 if start[:1] == b"\xff" else 2
    try:
        header, records, channels = int(start[184:192]), int(start[236:244]), int(start[252:256])
        table = head(path, 256 + 256 * channels)
        first = 256 + 216 * channels
        samples = [int(table[first + 8 * i : first + 8 * (i + 1)]) for i in range(channels)]
    except ValueError as error:
        raise FileError(f"{path} has a damaged EDF header ({error}); fetch it again.") from error
    expected, found = header + records * width * sum(samples), path.stat().st_size
    if records > 0 and found < expected:
        raise FileError(
            f"{path} is truncated: its header states {expected:,} bytes, it has {found:,}; fetch it again."
        )


def refuse_truncated_brainvision(path: Path, lines: list[str]) -> None:
    """Refuse a BrainVision data file that ends within a sample or before its last marker."""
    fields = {}
    for line in lines:
        name, separator, value = line.partition("=")
        if separator and not line.startswith(";"):
            fields.setdefault(name.strip(), value.strip())
    width = SAMPLE_BYTES.get(fields.get("BinaryFormat", "").upper())
    channels = fields.get("NumberOfChannels", "")
    if width is None or not channels.isdigit() or "DataFile" not in fields:
        return
    data = _companion(fields["DataFile"], path)
    if not data.is_file():
        return
    size, step = data.stat().st_size, width * int(channels)
    if size % step:
        raise FileError(
            f"{data} is truncated: its {size:,} bytes are not whole samples of {channels} channels; fetch it again."
        )
    last = _last_marker(_companion(fields["MarkerFile"], path)) if "MarkerFile" in fields else 0
    if last > size // step:
        raise FileError(
            f"{data} is truncated: it has {size // step:,} samples, but a marker is at sample {last:,}; fetch it again."
        )


def _companion(named: str, path: Path) -> Path:
    """The file a header names, beside it; under the header's own name where the file was renamed."""
    target = inside_folder(named.replace("$b", path.stem), path.parent, source=path)
    return target if target.is_file() else path.with_suffix(Path(named).suffix)


def _last_marker(path: Path) -> int:
    """Sample number of the last marker of a marker file; 0 without any."""
    last = 0
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            parts = line.split(",")
            if line.startswith("Mk") and len(parts) > 2 and parts[2].strip().isdigit():
                last = max(last, int(parts[2]))
    return last
