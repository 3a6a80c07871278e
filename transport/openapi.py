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
    """Serve `name`.yaml at /openapi.json. FileNotFoundError when there is none."""
    document = _document(name)

    async def get_document(_request: web.Request) -> web.Response:
        return web.Response(text=document, content_type="application/json")

    app.router.add_get(PATH, get_document)


@cache
def _document(name: str) -> str:
    text = (resources.files("transport") / "openapi_documents" / f"{name}.yaml").read_text(encoding="utf-8")
    return json.dumps(yaml.load(text, Loader=yaml.CSafeLoader), ensure_ascii=False)
