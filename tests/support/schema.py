# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""The part of JSON Schema that docs/schema uses. What it doesn't know is an error, so that no rule is passed over."""
import json
import os
import re

FOLDER = os.path.abspath(f"{os.path.dirname(__file__)}/../../docs/schema")
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
         "number": (int, float)}
KNOWN = {"$schema", "title", "description", "format", "type", "enum", "pattern", "minimum", "maximum", "items",
         "properties", "required", "additionalProperties", "anyOf"}


def is_of(value, kind):
    return isinstance(value, TYPES[kind]) and not (isinstance(value, bool) and kind in ("integer", "number"))


def problems(value, schema, where="$"):
    """What is wrong with value, a list of texts."""
    if schema.keys() - KNOWN:
        return [f"{where}: the schema has {schema.keys() - KNOWN}"]
    found = []
    if "anyOf" in schema:
        each = [problems(value, one, where) for one in schema["anyOf"]]
        found += [] if any(not one for one in each) else [min(each, key=len)[0]]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_of(value, kind) for kind in kinds):
        return found + [f"{where}: {value!r} is not {' or '.join(kinds)}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{where}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, (int, float)) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{where}: {value} is out of range")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += problems(item, schema["items"], f"{where}[{i}]")
    if isinstance(value, dict):
        found += [f"{where}: {key} is missing" for key in schema.get("required", []) if key not in value]
        rest = schema.get("additionalProperties", True)
        for key, item in value.items():
            rule = schema.get("properties", {}).get(key, rest)
            if rule is False:
                found.append(f"{where}: {key} is not in the schema")
            elif rule is not True:
                found += problems(item, rule, f"{where}.{key}")
    return found


def of(verb):
    with open(f"{FOLDER}/{verb}.json", encoding="utf-8") as f:
        return json.load(f)


def check(verb, text):
    """What is wrong with a verb's output: its whole stdout, or one line of a stream."""
    try:
        return problems(json.loads(text), of(verb))
    except (ValueError, OSError) as error:
        return [f"{verb}: {error}"]
