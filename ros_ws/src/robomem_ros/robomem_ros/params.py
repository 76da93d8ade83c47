"""Settings as ROS parameters, declared from their pydantic model: `spatial.voxel_size_m` with its range.

What is unset is "", and a table is one line: `guard.sources: "anna=known, ben=known"`.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
)

from robomem.config import Config
from robomem.errors import ConfigError
from robomem_ros.messages import make

Model = TypeVar("Model", bound=BaseModel)
LARGEST_INT = 2**63 - 1


def declare(node: Any, *models: type[BaseModel]) -> None:
    """Declare every field of the models; from then on a value that they refuse cannot be set.

    Args:
        node: Made with `automatically_declare_parameters_from_overrides=True`, so that a misspelt
            parameter is found.
        models: Their fields are the parameters, nested ones with dots.

    Raises:
        ConfigError: A given parameter is unknown, of the wrong type or out of range.
    """
    fields = {name: field for model in models for name, field in walk(model)}
    _reject_unknown(node, fields)
    for name, field in fields.items():
        if node.has_parameter(name):
            node.undeclare_parameter(name)
        _declare(node, name, field)
    for model in models:
        from_params(node, model)
    node.add_on_set_parameters_callback(lambda parameters: _checked(node, models, parameters))


def config_from_params(node: Any) -> Config:
    """Return the settings of the core that the parameters say."""
    return from_params(node, Config)


def from_params(node: Any, model: type[Model], changes: Mapping[str, Any] | None = None) -> Model:
    """Return the model that the parameters say, with changes; raises ConfigError."""
    values: dict[str, Any] = {}
    for name, field in walk(model):
        *sections, last = name.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = _read(field, (changes or {}).get(name, node.get_parameter(name).value))
    try:
        return model.model_validate(values)
    except ValidationError as err:
        problems = (f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in err.errors())
        raise ConfigError("; ".join(problems)) from err


def walk(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every field with its dotted name, those of nested models too."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from walk(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def bounds(field: FieldInfo) -> tuple[float, float]:
    """Return the least and the largest value that a field allows; open bounds count as closed."""
    marks = field.metadata
    lowest = [getattr(mark, key) for mark in marks for key in ("ge", "gt") if hasattr(mark, key)]
    highest = [getattr(mark, key) for mark in marks for key in ("le", "lt") if hasattr(mark, key)]
    return max(lowest, default=-math.inf), min(highest, default=math.inf)


def _read(field: FieldInfo, value: Any) -> Any:
    """Return the setting that a parameter says."""
    if field.default is None:
        return None if value == "" else value
    if not isinstance(field.default, dict) or not isinstance(value, str):
        return value
    entries = (entry.partition("=") for entry in value.split(",") if entry.strip())
    return {name.strip(): text.strip() for name, _, text in entries}


def _written(default: Any) -> Any:
    """Return a default as the value of a parameter."""
    if default is None:
        return ""
    if isinstance(default, dict):
        return ", ".join(f"{name}={text}" for name, text in default.items())
    return list(default) if isinstance(default, tuple) else default


def _declare(node: Any, name: str, field: FieldInfo) -> None:
    try:
        node.declare_parameter(name, _written(field.default), _descriptor(field))
    except (InvalidParameterTypeException, InvalidParameterValueException) as err:
        raise ConfigError(f"parameter {name}: {err}") from err


def _descriptor(field: FieldInfo) -> Any:
    descriptor = make("rcl_interfaces/ParameterDescriptor")
    descriptor.description = " ".join((field.description or "").split())
    told = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    when = told.get("takes_effect", "when the node is configured next")
    descriptor.additional_constraints = f"Takes effect {when}."
    low, high = bounds(field)
    if math.isinf(low) and math.isinf(high):
        return descriptor
    if isinstance(field.default, int):
        allowed = make("rcl_interfaces/IntegerRange")
        allowed.from_value = int(max(low, -LARGEST_INT))
        allowed.to_value = int(min(high, LARGEST_INT))
        descriptor.integer_range = [allowed]
    else:
        allowed = make("rcl_interfaces/FloatingPointRange")
        allowed.from_value = float(max(low, -sys.float_info.max))
        allowed.to_value = float(min(high, sys.float_info.max))
        descriptor.floating_point_range = [allowed]
    return descriptor


def _reject_unknown(node: Any, known: Mapping[str, FieldInfo]) -> None:
    own_of_ros = ("use_sim_time", "start_type_description_service", "qos_overrides.")
    given = node.get_parameters_by_prefix("")
    unknown = sorted(
        name for name in given if name not in known and not name.startswith(own_of_ros)
    )
    if unknown:
        raise ConfigError(
            f"unknown parameter {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )


def _checked(node: Any, models: Sequence[type[BaseModel]], parameters: Sequence[Any]) -> Any:
    changes = {parameter.name: parameter.value for parameter in parameters}
    result = make("rcl_interfaces/SetParametersResult")
    try:
        for model in models:
            from_params(node, model, changes)
    except ConfigError as err:
        result.successful, result.reason = False, str(err)
    else:
        result.successful = True
    return result
