"""Reads the environment: the one place that does. Before: the shell or .env. After: settings.py."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class WrongSetting(ValueError):  # noqa: N818 – named for what it is
    """A variable of the environment that could not be understood; names the variable and what is allowed."""


def load_file(path: Path) -> None:
    """Takes `NAME=value` lines of a .env file for variables that the shell does not set. A missing file is fine."""
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals:
            raise WrongSetting(f"{path.name}, line {number}: {line!r} must read NAME=value")
        os.environ.setdefault(name.strip(), value.strip().strip("\"'"))


def read_text(name: str, default: str = "") -> str:
    """The variable as it is, or ``default`` where it is not set."""
    return os.environ.get(name, default)


def read_boolean(name: str, default: bool) -> bool:
    """``true`` or ``false`` (also 1/0, yes/no, on/off); anything else is refused."""
    text = os.environ.get(name)
    if text is None or text == "":
        return default
    if text.lower() in {"true", "1", "yes", "on"}:
        return True
    if text.lower() in {"false", "0", "no", "off"}:
        return False
    raise WrongSetting(f"{name} is {text!r}; it must be true or false")


def read_number(name: str, default: float, *, low: float, high: float) -> float:
    """A number within ``low`` … ``high``; anything else is refused."""
    text = os.environ.get(name)
    if text is None or text == "":
        return default
    try:
        number = float(text)
    except ValueError:
        raise WrongSetting(f"{name} is {text!r}; it must be a number") from None
    if not low <= number <= high:
        raise WrongSetting(f"{name} is {text}; it must lie between {low:g} and {high:g}")
    return number


def read_whole_number(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number within ``low`` … ``high``; anything else is refused."""
    number = read_number(name, default, low=low, high=high)
    if number != int(number):
        raise WrongSetting(f"{name} is {number}; it must be a whole number")
    return int(number)


def read_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Names separated by commas."""
    text = os.environ.get(name)
    if text is None:
        return list(default)
    return [part.strip() for part in text.split(",") if part.strip()]


def read_folder(name: str, default: Path) -> Path:
    """A folder as an absolute path; it need not exist yet."""
    text = os.environ.get(name)
    return Path(text).expanduser().resolve() if text else default
