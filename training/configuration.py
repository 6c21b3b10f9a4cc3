"""Reads a slot's configuration dataclass: fields for forms, values from JSON. Before: slots.py. After: runs.py, dashboard.

A class may state `BOUNDS`: lowest and highest value of a number, or the texts there are. The text under a field is its help;
the class itself refuses other contradictions. Inner dataclasses are named with a dot: `learner.discount`."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import textwrap
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Bounds = Mapping[str, tuple[Any, ...]]
"""By field: (lowest, highest), either of them None where there is none; or the texts a text may be."""

KINDS_IN_WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


class WrongConfiguration(ValueError):  # noqa: N818 – names what it is
    """A value that the configuration refuses: which field, and what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field and not message.startswith(field) else message)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class ConfigurationField:
    """One field, flattened."""

    name: str
    type: Any
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def bounds(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        if self.low is not None and self.high is not None:
            return f"{_plain(self.low)} to {_plain(self.high)}"
        if self.low is not None:
            return f"at least {_plain(self.low)}"
        return f"at most {_plain(self.high)}" if self.high is not None else ""


def _plain(number: float) -> str:
    """A bound as people write it: no exponent for thousands."""
    return f"{number:,}" if isinstance(number, int) else f"{number:.6f}".rstrip("0").rstrip(".")


@functools.cache
def fields_of(configuration: type, prefix: str = "") -> tuple[ConfigurationField, ...]:
    """Every field in the order of the class, those of inner dataclasses included."""
    kinds, helps = typing.get_type_hints(configuration), _field_docstrings(configuration)
    bounds: Bounds = getattr(configuration, "BOUNDS", {})
    found: list[ConfigurationField] = []
    for field in dataclasses.fields(configuration):
        kind, name = kinds[field.name], prefix + field.name
        if dataclasses.is_dataclass(kind):
            found += fields_of(typing.cast(type, kind), f"{name}.")
            continue
        stated = bounds.get(field.name, ())
        is_number = kind in (int, float)
        found.append(
            ConfigurationField(
                name=name,
                type=kind,
                default=_default_of(field),
                help=helps.get(field.name, ""),
                low=stated[0] if is_number and stated else None,
                high=stated[1] if is_number and stated else None,
                choices=typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else () if is_number else stated,
            )
        )
    return tuple(found)


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _field_docstrings(configuration: type) -> dict[str, str]:
    """The string under each field; Python keeps them only in the source."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(configuration))).body[0]
    except (OSError, TypeError):
        return {}
    assert isinstance(body, ast.ClassDef)
    helps = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        is_field = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        if is_field and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            helps[statement.target.id] = inspect.cleandoc(str(following.value.value))  # type: ignore[attr-defined]
    return helps


def read_configuration(configuration: type, given: Mapping[str, Any], prefix: str = "") -> Any:
    """An instance of ``configuration``; WrongConfiguration names the field and its bound."""
    kinds = typing.get_type_hints(configuration)
    known = {field.name: field for field in dataclasses.fields(configuration)}
    bounds = {field.name: field for field in fields_of(configuration)}
    values = {}
    for key, value in unflatten(given).items():
        name = prefix + str(key)
        if key not in known:
            raise WrongConfiguration(name, f"there is no such field; there are {', '.join(sorted(known))}")
        kind = kinds[key]
        if dataclasses.is_dataclass(kind):
            values[key] = read_configuration(typing.cast(type, kind), _mapping(name, value), f"{name}.")
        else:
            values[key] = _read_value(name, kind, value)
            _check_bounds(name, bounds[key], values[key])
    try:
        return configuration(**values)
    except WrongConfiguration:
        raise
    except (ValueError, TypeError) as error:
        named = next((prefix + name for name in known if str(error).startswith(name)), prefix.rstrip("."))
        raise WrongConfiguration(named, str(error)) from error


def unflatten(given: Mapping[str, Any]) -> dict[str, Any]:
    """``{"learner.discount": 0.9}`` becomes ``{"learner": {"discount": 0.9}}``."""
    nested: dict[str, Any] = {}
    for name, value in given.items():
        first, dot, rest = str(name).partition(".")
        if dot:
            inner = nested.setdefault(first, {})
            inner.update(unflatten({rest: value}))
        elif isinstance(value, Mapping) and isinstance(nested.get(first), dict):
            nested[first].update(value)
        else:
            nested[first] = dict(value) if isinstance(value, Mapping) else value
    return nested


def flatten(configuration: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The opposite of `unflatten`, for tables and comparisons."""
    flat: dict[str, Any] = {}
    for name, value in configuration.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def in_order(configuration: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Flat values in the order of the class: PostgreSQL's JSON sorts them by length."""
    flat = flatten(given)
    known = {field.name: flat[field.name] for field in fields_of(configuration) if field.name in flat}
    return known | flat


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise WrongConfiguration(name, "must be an object of fields")
    return value


def _check_bounds(name: str, field: ConfigurationField, value: Any) -> None:
    if isinstance(value, str) and field.choices and value not in field.choices:
        raise WrongConfiguration(name, f"is {value!r} and must be {field.bounds}")
    if value is None or not isinstance(value, int | float):
        return
    # Written so that nan, which compares false with everything, is outside.
    is_inside = (field.low is None or value >= field.low) and (field.high is None or value <= field.high)
    if not is_inside or value != value:
        raise WrongConfiguration(name, f"is {value} and must be {field.bounds or 'a number'}")


def _read_value(name: str, kind: Any, value: Any) -> Any:
    """``value`` as ``kind``: the types that JSON and forms can carry."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _read_value(name, next(one for one in inside if one is not type(None)), value)
    if origin is typing.Literal:
        if value not in inside:
            raise WrongConfiguration(name, f"is {value!r} and must be one of {', '.join(map(str, inside))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise WrongConfiguration(name, f"is {value!r} and must be a list")
        parts = inside[:1] * len(value) if len(inside) == 2 and inside[1] is Ellipsis else inside
        if len(parts) != len(value):
            raise WrongConfiguration(name, f"must have {len(parts)} values")
        return tuple(_read_value(name, part, one) for part, one in zip(parts, value, strict=True))
    return _read_plain(name, kind, value)


def _read_plain(name: str, kind: Any, value: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # A bool is an int for Python; for people it is not.
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise WrongConfiguration(name, f"is {value!r} and must be {KINDS_IN_WORDS.get(kind, kind)}")


WORDS_OF_TRUTH = dict.fromkeys(("true", "on", "yes", "1"), True) | dict.fromkeys(("false", "off", "no", "0", ""), False)


def read_text(field: ConfigurationField, text: str) -> Any:
    """What a form or a command line says about ``field``, as the value JSON would carry."""
    inside = typing.get_args(field.type)
    if type(None) in inside and not text:
        return None
    kind = next((one for one in inside if one is not type(None)), field.type) if type(None) in inside else field.type
    try:
        if kind is bool:
            return WORDS_OF_TRUTH[text.lower()]
        if kind in (int, float):
            return kind(text)
    except (KeyError, ValueError):
        raise WrongConfiguration(field.name, f"is {text!r} and must be {KINDS_IN_WORDS[kind]}") from None
    if typing.get_origin(kind) is tuple:
        return [_number_or_text(part.strip()) for part in text.strip("()[] ").split(",") if part.strip()]
    return next((choice for choice in field.choices if str(choice) == text), text)


def _number_or_text(text: str) -> Any:
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text
