"""Bodies that nobody should send, for every interface alike: each must be answered with 400, none with a failure of ours."""

from __future__ import annotations

DEPTH = 50_000


def _deep(opening: bytes, closing: bytes) -> bytes:
    return opening * DEPTH + b"0" + closing * DEPTH


DEEP = {"lists": _deep(b"[", b"]"), "objects": _deep(b'{"a":', b"}"), "unclosed": b"[" * DEPTH}
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "no json": b"items",
    "a list": b"[]",
    "a number": b"1e999",
    "null": b"null",
    "bytes that are no text": b'\xff\xfe{"items":[]}',
    "utf-16": '{"items":[]}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"items":[]}',
    "cut text": b'{"items":["\xe3\x81"]}',
    "half a surrogate": rb'{"items":["\ud800"]}',
    "half a surrogate as a name": rb'{"\udfff":1,"items":[]}',
    "items of another type": b'{"items":{}}',
    "an unknown member": b'{"items":[],"more":1}',
    "half": b'{"items":[{',
    **{f"deep {name}": body for name, body in DEEP.items()},
    **{f"deep {name} in items": b'{"items":[' + body + b"]}" for name, body in DEEP.items()},
    **{f"deep {name} as items": b'{"items":' + body + b"}" for name, body in DEEP.items()},
    **{f"deep {name} as checkpoint": b'{"items":[],"checkpoint":' + body + b"}" for name, body in DEEP.items()},
}
"""Name → body; what is in a body of a form of its own is with the tests of that interface."""

CONTENT_TYPES = (
    "text/plain",
    "application/json; charset=no-such-charset",
    "application/json; charset=utf-16",
    "multipart/form-data; boundary=",
    "application/x-www-form-urlencoded",
    "/;;=",
)
