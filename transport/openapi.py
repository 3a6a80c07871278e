"""Serves a role's OpenAPI document as JSON. `openapi_documents` is docs/openapi, so that an installed package has the files too."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Final

import yaml
from aiohttp import web

PATH: Final = "/openapi.json"


def add_route(app: web.Application, name: str) -> None:
    """Serve `name`.yaml at /openapi.json. It is parsed when somebody asks for it first: a tenth of a role's start. FileNotFoundError when there is none."""
    text = (resources.files("transport") / "openapi_documents" / f"{name}.yaml").read_text(encoding="utf-8")

    async def get_document(_request: web.Request) -> web.Response:
        return web.Response(text=_as_json(text), content_type="application/json")

    app.router.add_get(PATH, get_document)


@cache
def _as_json(text: str) -> str:
    return json.dumps(yaml.load(text, Loader=yaml.CSafeLoader), ensure_ascii=False)
