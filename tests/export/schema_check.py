"""A small checker for the part of JSON Schema that the package's schema uses; unknown keywords are errors."""

from __future__ import annotations

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
NOTES = {"$schema", "title", "description", "$defs"}


def problems(value, schema, root=None, where="$", strict=True):
    """Return what is wrong with a value; with ``strict``, keys the schema does not describe are wrong too."""
    root = root or schema
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return problems(value, target, root, where, strict)
    found = []
    for key, rule in schema.items():
        if key == "type":
            kinds = [rule] if isinstance(rule, str) else rule
            found += [] if any(_is(value, kind) for kind in kinds) else [f"{where}: not {kinds}"]
        elif key == "const":
            found += [] if value == rule else [f"{where}: not {rule!r}"]
        elif key in ("minimum", "maximum") and _is(value, "number"):
            wrong = value < rule if key == "minimum" else value > rule
            found += [f"{where}: {value} beyond {key} {rule}"] if wrong else []
        elif key in ("minItems", "maxItems"):
            wrong = len(value) < rule if key == "minItems" else len(value) > rule
            found += [f"{where}: {len(value)} items"] if wrong else []
        elif key == "items":
            for k, item in enumerate(value):
                found += problems(item, rule, root, f"{where}[{k}]", strict)
        elif key == "required":
            found += [f"{where}: no {name!r}" for name in rule if name not in value]
        elif key == "properties":
            for name in value:
                if name in rule:
                    found += problems(value[name], rule[name], root, f"{where}.{name}", strict)
                elif strict:
                    found.append(f"{where}: {name!r} is not described")
        elif key == "additionalProperties":
            for name in set(value) - set(schema.get("properties", {})):
                found += problems(value[name], rule, root, f"{where}.{name}", strict)
        elif key not in NOTES and key not in ("minimum", "maximum"):
            found.append(f"{where}: this checker does not know {key!r}")
    return found


def _is(value, kind):
    if kind in ("number", "integer"):
        number = isinstance(value, int if kind == "integer" else (int, float))
        return number and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])
