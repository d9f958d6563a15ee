"""The OpenAPI document of the operator's API, made from the table of routes and the types of their answers."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from tradebot import __version__
from tradebot.control import answers
from tradebot.control.api_paths import EVENTS_PATH, LIVE_PATH, METRICS_PATH, OPENAPI_PATH, READY_PATH
from tradebot.control.routes import ROUTES, ApiRoute

REF_TEMPLATE = "#/components/schemas/{name}"
STATUS_MEANINGS = {
    "400": "The request makes no sense.",
    "401": "The token is missing or wrong; only over HTTP.",
    "403": "Another host, or a browser.",
    "404": "There is no such thing.",
    "405": "The route takes another method.",
    "409": "Not in this state.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too many requests; `Retry-After` says when to ask again.",
    "503": "The daemon cannot do it now.",
    "504": "Not confirmed in time; it may still take effect.",
}


@cache
def openapi_document() -> dict[str, Any]:
    """Return the document as JSON values."""
    types = [answers.ApiRefusal, answers.LiveAnswer, answers.ReadyAnswer]
    types += [kind for route in ROUTES for kind in (*route.answers, route.takes)]
    schemas, parts = msgspec.json.schema_components(types, ref_template=REF_TEMPLATE)
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of, parts)
    for name in {route.takes.__name__ for route in ROUTES if route.method == "GET"}:
        del parts[name]  # its fields stand with each route that takes them
    ready, live = schema_of[id(answers.ReadyAnswer)], schema_of[id(answers.LiveAnswer)]
    paths[EVENTS_PATH] = {"get": _events_operation()}
    paths[LIVE_PATH] = {"get": _operation_of("The event loop answers.", {"200": _json(live)}) | {"security": []}}
    paths[READY_PATH] = {"get": _operation_of("Every part is fit for trading.", {"200": _json(ready)})}
    paths[READY_PATH]["get"]["responses"]["503"] = _json(ready)
    text = {"description": "Metrics for Prometheus.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    paths[METRICS_PATH] = {"get": _operation_of("Metrics, where the run has some.", {"200": text})}
    paths[OPENAPI_PATH] = {"get": _operation_of("This document.", {"200": _json({"type": "object"})})}
    return {
        "openapi": "3.1.0",
        "info": {"title": "tradebot", "version": __version__, "description": (answers.__doc__ or "").strip()},
        "paths": paths,
        "components": {
            "schemas": parts,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(route: ApiRoute, schema_of: dict[int, Any], parts: dict[str, Any]) -> dict[str, Any]:
    found = [schema_of[id(kind)] for kind in route.answers]
    answer = found[0] if len(found) == 1 else {"anyOf": found}
    operation = _operation_of(route.summary, {"200": _json(answer)})
    operation["operationId"] = f"{route.method.lower()}_{route.name}"
    if route.method == "POST":
        body = {"application/json": {"schema": schema_of[id(route.takes)]}}
        return operation | {"requestBody": {"required": True, "content": body}}
    taken = parts[route.takes.__name__]
    needed = taken.get("required", [])
    return operation | {
        "parameters": [
            {"name": name, "in": "query", "required": name in needed, "schema": schema}
            for name, schema in taken["properties"].items()
        ]
    }


def _events_operation() -> dict[str, Any]:
    stream = {"description": "The events of the log.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    resume = {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "the id of the last event that was read: what came since follows, as far as it is remembered",
    }
    return _operation_of("The events of the run, as they come.", {"200": stream}) | {"parameters": [resume]}


def _operation_of(summary: str, answered: dict[str, Any]) -> dict[str, Any]:
    refusal = {"$ref": REF_TEMPLATE.format(name=answers.ApiRefusal.__name__)}
    refused = {status: _json(refusal) | {"description": meaning} for status, meaning in STATUS_MEANINGS.items()}
    return {"summary": summary, "responses": answered | refused}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "What was asked for.", "content": {"application/json": {"schema": schema}}}
