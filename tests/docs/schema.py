"""Writes docs/gates.schema.json, made from the types that read gates.yaml: `python -m tests.docs.schema`."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from func.core import field_types, rules
from tests.docs.markdown import DOCS

FILE = DOCS / "gates.schema.json"


_PATH: JsonSchemaValue = {"type": "string"}
# Values whose form only a validator knows -> their schema.
_FORMS: dict[str, JsonSchemaValue] = {
    field_types._parse_person.__name__: {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"login": {"type": "string"}, "id": {"type": "integer"}},
                "required": ["login", "id"],
                "additionalProperties": False,
            },
        ]
    },
    field_types._parse_path.__name__: {
        "anyOf": [
            _PATH,
            {
                "type": "object",
                "properties": {"path": _PATH, "pattern": {"type": "string"}},
                "required": ["path", "pattern"],
                "additionalProperties": False,
            },
        ]
    },
}


class _OneOrMany(GenerateJsonSchema):
    """Add what the types do not say: a single value may stand for a list, and no key is empty."""

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        return _FORMS[getattr(schema["function"]["function"], "__name__", "")]

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        made = super().function_before_schema(schema)
        if schema["function"]["function"] is field_types._not_null:
            given = [each for each in made["anyOf"] if each != {"type": "null"}]
            return {"anyOf": given} if len(given) > 1 else given[0]
        if schema["function"]["function"] is field_types._as_list and "items" in made:
            return {"anyOf": [made["items"], made]}
        return made


def schema() -> dict[str, Any]:
    """Return the schema of gates.yaml."""
    made = rules.Rules.model_json_schema(schema_generator=_OneOrMany)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gates.yaml of Taskgate",
        **_plain({key: value for key, value in made.items() if key not in ("title", "description")}),
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Remove pydantic's titles, defaults of null, and all but the first paragraph of descriptions."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, each in value.items():
        if (key == "title" and isinstance(each, str)) or (key == "default" and each is None):
            continue
        if key == "description" and isinstance(each, str):
            made[key] = each.split("\n\n")[0]
            continue
        made[key] = _plain(each)
    if "anyOf" in made and (least := made.pop("minLength", None)):  # of the list, said beside it
        for each in made["anyOf"]:
            if each.get("type") == "array":
                each["minItems"] = least
    return made


def text() -> str:
    """Return the file's content."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
