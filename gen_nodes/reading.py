"""Reading YAML strictly: every value has a type, a range and a place that errors can name."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from gen_nodes.errors import ConfigError, reject_unknown_keys, unknown_name

REQUIRED: Any = object()
LARGEST = sys.float_info.max  # a whole number may be greater
EXPONENT = ' (YAML needs 1.0e+3, not 1e3)'
_KINDS = {int: 'a whole number', str: 'text', bool: 'true or false'}


class _UniqueKeys(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, which YAML would settle silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Build a mapping; raises ConstructorError at a repeated key."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' is given twice", key_node.start_mark
                )
            seen.add(key if isinstance(key, str) else id(key))
        return super().construct_mapping(node, deep)


def of_type(kind: Any, data: object, where: str) -> Any:
    """`data`, as YAML or JSON gives it, as a value of type `kind`: a dataclass (whose defaults
    stand for missing keys), mapping, tuple, float, int, bool or str. Raises ConfigError that names
    the place.
    """
    if is_dataclass(kind):
        return data if isinstance(data, kind) else _of_dataclass(kind, data, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Mapping:
        _expect(isinstance(data, Mapping) and data, where, 'a mapping that is not empty', data)
        return {str(key): of_type(arguments[1], x, f'{where}.{key}') for key, x in data.items()}
    if origin is tuple:
        return _of_tuple(arguments, data, where)
    if kind is float:
        number = isinstance(data, (int, float)) and not isinstance(data, bool)
        hint = EXPONENT if re.match(r'-?[\d.]+[eE]', str(data)) else ''
        _expect(number and abs(data) < LARGEST, where, f'a finite number{hint}', data)
        return float(data)
    right = isinstance(data, kind) and (kind is bool or not isinstance(data, bool))
    _expect(right, where, _KINDS.get(kind, kind.__name__), data)
    return data


def _of_dataclass(kind: type, data: object, where: str) -> Any:
    _expect(isinstance(data, Mapping), where, 'a mapping', data)
    hints = get_type_hints(kind)
    reject_unknown_keys(where, data, hints)
    for field in fields(kind):
        required = field.default is MISSING and field.default_factory is MISSING
        if required and field.name not in data:
            raise ConfigError(f"{where}: key '{field.name}' is missing")
    values = {key: of_type(hints[key], data[key], f'{where}.{key}') for key in data}
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f'{where}: {error}') from error


def _of_tuple(arguments: tuple, data: object, where: str) -> tuple:
    open_ended = arguments[-1] is Ellipsis
    _expect(
        isinstance(data, list | tuple)
        and (len(data) if open_ended else len(data) == len(arguments)),
        where,
        'a list that is not empty' if open_ended else f'a list of {len(arguments)}',
        data,
    )
    kinds = arguments[:1] * len(data) if open_ended else arguments
    values = tuple(
        of_type(kind, value, f'{where}[{i}]')
        for i, (kind, value) in enumerate(zip(kinds, data, strict=True))
    )
    if arguments == (float, float) and values[0] > values[1]:
        raise ConfigError(f'{where}: the range {list(values)} runs backwards')
    return values


def _expect(condition: object, where: str, wanted: str, got: object) -> None:
    if not condition:
        raise ConfigError(f'{where}: must be {wanted}, not {got!r}')


def read_text(path: Path) -> str:
    """Contents of a UTF-8 file; raises ConfigError where it cannot be read."""
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read '{path}': {error}") from error


def parse_yaml(text: str, where: str) -> Section:
    """The top-level mapping of a YAML text; `where` names it in errors."""
    try:
        value = yaml.load(text, Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise ConfigError(f'{where}: not valid YAML: {" ".join(str(error).split())}') from error
    return Section(where, value)


class Section:
    """A mapping of a config file, taken key by key; `close()` refuses what was not taken."""

    def __init__(self, where: str, value: object) -> None:
        if not isinstance(value, dict):
            raise ConfigError(f'{where}: must be a mapping of keys to values, is {_shown(value)}')
        self.where = where
        self._value = value
        self._known: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def names(self) -> tuple[str, ...]:
        """All keys as written; raises ConfigError where one is not text."""
        for key in self._value:
            if not isinstance(key, str):
                raise ConfigError(f'{self.where}: key {_shown(key)} must be text; put it in quotes')
        return tuple(self._value)

    def plain(self) -> dict[str, Any]:
        """All keys and values as YAML gives them, for `of_type`; raises as `names` does."""
        return {key: self.raw(key) for key in self.names()}

    def raw(self, key: str, default: Any = REQUIRED) -> Any:
        """Value as YAML gives it; raises ConfigError where a required key is missing."""
        self._known.add(key)
        if key in self._value:
            return self._value[key]
        if default is REQUIRED:
            raise ConfigError(f"{self.where}: key '{key}' is missing")
        return default

    def text(self, key: str, default: Any = REQUIRED, valid: Iterable[str] | None = None) -> Any:
        """A non-empty string, one of `valid` where given."""
        value = self.raw(key, default)
        if value is default and key not in self._value:
            return value
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, value, 'must be text')
        if valid is not None and value not in valid:
            raise ConfigError(f'{self.where}: {unknown_name(key, value, valid)}')
        return value

    def number(
        self, key: str, lower: float = -math.inf, upper: float = math.inf, default: Any = REQUIRED
    ) -> Any:
        """A finite number in [lower, upper] as float."""
        value = self.raw(key, default)
        if value is default and key not in self._value:
            return value
        return self.as_number(key, value, lower, upper)

    def as_number(self, key: str, value: object, lower: float, upper: float) -> float:
        """`value` of `key` as float, checked."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            hint = EXPONENT if re.match(r'-?[\d.]', str(value)) else ''
            raise self.error(key, value, f'must be a number{hint}')
        if not (abs(value) < LARGEST and lower <= value <= upper):
            raise self.error(key, value, f'must be within [{lower:g}, {upper:g}]')
        return float(value)

    def integer(self, key: str, lower: int, upper: int) -> int:
        """A whole number in [lower, upper]."""
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int) or not lower <= value <= upper:
            raise self.error(key, value, f'must be a whole number within [{lower}, {upper}]')
        return value

    def flag(self, key: str, default: Any = REQUIRED) -> Any:
        """true or false."""
        value = self.raw(key, default)
        if value is not default and not isinstance(value, bool):
            raise self.error(key, value, 'must be true or false')
        return value

    def texts(self, key: str, default: Any = REQUIRED) -> Any:
        """A list of different strings, at least one."""
        value = self.raw(key, default)
        if value is default and key not in self._value:
            return value
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise self.error(key, value, 'must be a list of names')
        for name in value:
            if value.count(name) > 1:
                raise self.error(key, name, 'stands twice in the list')
        return tuple(value)

    def vector(self, key: str, size: int, default: Any = REQUIRED) -> Any:
        """A list of `size` finite numbers as tuple of floats."""
        value = self.raw(key, default)
        if value is default and key not in self._value:
            return value
        if not isinstance(value, list) or len(value) != size:
            raise self.error(key, value, f'must be a list of {size} numbers')
        return tuple(self.as_number(key, v, -math.inf, math.inf) for v in value)

    def section(self, key: str, default: Any = REQUIRED) -> Section:
        """A mapping below `key`."""
        return Section(f'{self.where}: {key}', self.raw(key, default))

    def sections(self, key: str, default: Any = REQUIRED) -> tuple[Section, ...]:
        """A list of mappings below `key`."""
        value = self.raw(key, default)
        if not isinstance(value, list | tuple):
            raise self.error(key, value, 'must be a list')
        return tuple(Section(f'{self.where}: {key}[{i}]', v) for i, v in enumerate(value))

    def close(self) -> None:
        """Raise ConfigError at the first key that nobody asked for."""
        reject_unknown_keys(self.where, (str(k) for k in self._value), self._known)

    def error(self, key: str, value: object, must: str) -> ConfigError:
        """Error for the value of `key`."""
        return ConfigError(f'{self.where}: {key} {must}; {_shown(value)} does not do')


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + '...'
