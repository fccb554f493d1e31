"""Node parameters with description, range and validation: a bad value is refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter as RclpyParameter

from gen_nodes.errors import ConfigError

Value = bool | int | float | str


@dataclass(frozen=True)
class Parameter:
    """One parameter. Its type is its default's; a whole number is taken for a float.

    low, high: inclusive range of a number. choices: the valid strings, empty = any. live: may be
    set while the node runs.
    """

    name: str
    default: Value
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False

    def refusal(self, value: object) -> str | None:
        """Why `value` cannot be taken, or None."""
        kind = type(self.default)
        whole_for_float = kind is float and type(value) is int
        if type(value) is not kind and not whole_for_float:
            return f'{self.name} must be {_KINDS[kind]}, got {value!r}'
        if kind in (int, float) and not (_least(self.low) <= value <= _most(self.high)):
            return f'{self.name} must lie in {self._range()}, got {value}'
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(self.choices)}, got '{value}'"
        return None

    def _range(self) -> str:
        return f'[{_least(self.low):g}, {_most(self.high):g}]'

    def descriptor(self) -> ParameterDescriptor:
        out = ParameterDescriptor(name=self.name, description=self.description, dynamic_typing=True)
        if self.choices:
            out.additional_constraints = f'one of {", ".join(self.choices)}'
        if self.low is not None and self.high is not None:
            if type(self.default) is float:
                out.floating_point_range = [
                    FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                ]
            elif type(self.default) is int:
                out.integer_range = [
                    IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)
                ]
        return out


_KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a string'}


def _least(low: float | None) -> float:
    return float('-inf') if low is None else low


def _most(high: float | None) -> float:
    return float('inf') if high is None else high


class Parameters:
    """A node's parameters. Raises ConfigError for a value that was given wrong at the start."""

    def __init__(self, node: Node, parameters: Sequence[Parameter]):
        self._node = node
        self._known = {parameter.name: parameter for parameter in parameters}
        for parameter in parameters:
            self._declare(parameter)
        node.add_on_set_parameters_callback(self._on_set)

    def _declare(self, parameter: Parameter) -> None:
        try:
            given = self._node.declare_parameter(
                parameter.name, parameter.default, parameter.descriptor()
            ).value
        except ParameterException as error:
            overrides = self._node._parameter_overrides
            given = overrides[parameter.name].value if parameter.name in overrides else None
            raise ConfigError(f'parameter {parameter.refusal(given) or error}') from error
        reason = parameter.refusal(given)
        if reason is not None:
            raise ConfigError(f'parameter {reason}')

    def __getitem__(self, name: str) -> Value:
        """The present value, as the default's type."""
        return type(self._known[name].default)(self._node.get_parameter(name).value)

    def _on_set(self, changes: Sequence[RclpyParameter]) -> SetParametersResult:
        for change in changes:
            parameter = self._known.get(change.name)
            if parameter is None:
                continue
            reason = parameter.refusal(change.value)
            if reason is None and not parameter.live:
                reason = f'{change.name} cannot change while the node runs: restart it with it'
            if reason is not None:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)
