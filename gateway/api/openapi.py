"""Serves the committed OpenAPI document of a role as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from aiohttp import web

_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "openapi"


def add_route(app: web.Application, name: str) -> None:
    """Serve docs/openapi/`name`.yaml at /openapi.json. The file is read once, here."""
    document = json.dumps(yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")), ensure_ascii=False)

    async def get_document(_request: web.Request) -> web.Response:
        return web.Response(text=document, content_type="application/json")

    app.router.add_get("/openapi.json", get_document)
