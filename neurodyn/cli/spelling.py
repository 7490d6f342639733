"""Sentences of the library as a user of the command line would act on them: options of calls become flags."""

import re

FLAGS = {
    "bin_width": "--bin-width",
    "interval": "--interval",
    "series": "--series",
    "window": "--window",
    "repetition_time": "--tr",
    "atlas": "--atlas",
    "mask": "--mask",
    "volume_labels": "--labels",
    "confounds": "--confounds",
    "picks": "--picks",
    "band_pass": "--band-pass",
    "envelope": "--envelope",
    "notch": "--notch",
    "resample": "--resample",
    "sampling_interval": "--sampling-interval",
    "loader": "--loader",
    "emission": "--emission",
    "trials": "--trials",
}
SWITCHES = ("envelope", "trials")
OTHERS = (
    "align", "bad", "behaviour", "causal", "channels", "dims", "edge", "key", "kind", "n_trials", "outside", "reference",
    "responses", "scale", "time_axis", "time_unit", "trial_columns", "units_where",
)  # fmt: skip
OWN_ERROR = re.compile(r"\b(?:RecordingError|ModelError|FileError|NotApplicable): ")
CALL = re.compile(r"(?:neurodyn\.(?:io\.)?)?read(?:_\w+)?\(path, ([^()]*)\)")
SETTING = re.compile(
    r"(?<![\w./`-])(?P<name>[a-z_]+)=(?P<value>\[[^\]]*\]|\([^)]*\)|'[^']*'|\"[^\"]*\"|[\w.+-]*\w|\.\.\.)?"
)
NAME = re.compile(
    r"(?<![\w./='\"-])`?(bin_width|repetition_time|sampling_interval|volume_labels|band_pass)`?(?![\w=/'\"]|\.\w)"
)


def on_command_line(text: str) -> str:
    """A sentence with `bin_width=0.1` as `--bin-width 0.1`, what has no flag as `--option NAME=VALUE`, no class names."""
    text = CALL.sub(_call, OWN_ERROR.sub("", text))
    text = SETTING.sub(_setting, text)
    text = NAME.sub(
        lambda found: FLAGS[found[1]], text.replace("neurodyn.io.inspect(path)", "neurodyn inspect")
    )
    return text.replace("`--", "--")


def _call(found: re.Match[str]) -> str:
    """The settings of a call of a reader."""
    loader = "--loader array " if "read_array" in found[0] else ""
    return loader + found[1]


def _setting(found: re.Match[str]) -> str:
    """One setting NAME=VALUE."""
    name, value = found["name"], _value(found["value"] or "")
    if name in SWITCHES and value in ("True", ""):
        return FLAGS[name]
    if name in FLAGS and value == "...":
        return FLAGS[name]
    if name in FLAGS:
        joined = value.replace(", ", ":") if name in ("interval", "window", "band_pass") else value
        return f"{FLAGS[name]} {joined.replace('start:stop', 'START:STOP')}".rstrip()
    if name in OTHERS:
        return f"--option {name}={value.replace(', ', ',')}"
    return found[0]


def _value(text: str) -> str:
    """A Python value as words of a shell; what was left open stays so."""
    if text in ("...", "(...)", "[...]"):
        return "..."
    inner = text[1:-1] if text[:1] in "[('\"" and len(text) > 1 else text
    return inner.replace("'", "").replace('"', "")
