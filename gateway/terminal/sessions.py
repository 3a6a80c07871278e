"""Who sits at the terminal: a cookie here, and the session at the intermediate server behind it. Nothing of a session outlives the process."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_MOST: Final = 64
_MOST_ASKED: Final = 200
_BYTES: Final = 32
_KEPT_FOR_S: Final = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Asked:
    """What was asked under an inquiry number: about whom, under which item of the list, for which information."""

    addressee_number: str
    item: str
    information: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Written:
    """A form that came when the session was over. `page`: shows it again as it was filled in; never a password's."""

    page: Callable[..., Any]
    fields: Mapping[str, str]


@dataclass(slots=True, kw_only=True, repr=False)
class Seat:
    """A member of staff who has logged in.

    `token`: their session at the intermediate server; `form_key`: stands in every form of theirs; `asked`: their own inquiries, by number;
    `written`: what they had typed when the session before ended; it waits here until they send a form.
    """

    staff_id: str
    token: str
    form_key: str = field(default_factory=lambda: secrets.token_urlsafe(_BYTES))
    asked: dict[str, Asked] = field(default_factory=dict)
    written: Written | None = None

    def form_is_ours(self, given: str) -> bool:
        """Whether a form was made for this person: another site cannot know its key."""
        return hmac.compare_digest(self.form_key.encode(), given.encode(errors="surrogatepass"))

    def remember(self, inquiry_number: str, asked: Asked) -> None:
        """Of the last 200 inquiries this person may look at the result again."""
        while len(self.asked) >= _MOST_ASKED:
            del self.asked[next(iter(self.asked))]
        self.asked[inquiry_number] = asked

    def same_act(self, once: str, content: bytes) -> str:
        """A retry identity: a form that is sent again unchanged is the same act, one that was corrected is another."""
        digest = hmac.digest(self.form_key.encode(), content, "sha256").hex()
        return f"terminal-{once}-{digest[:32]}"


class Seats:
    """Seats by cookie. A seat whose session has ended by itself is kept for an hour, so that what its holder had typed is not lost to them."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._seats: dict[str, Seat] = {}
        self._ended: dict[str, tuple[float, Seat]] = {}
        self._now_s = now_s

    def take(self, staff_id: str, token: str, before: str | None) -> tuple[str, list[Seat]]:
        """Seat somebody: the cookie, and who gives way (whoever sat there under the cookie `before`, and the first one seated when there are 64).

        What the same person had typed before their session ended comes along; anybody else's is gone.
        """
        ended = self.ended(before)
        given_way = self.leave(before)
        gone = [given_way] if given_way is not None else []
        if len(self._seats) >= _MOST:
            gone.append(self._seats.pop(next(iter(self._seats))))
        cookie = secrets.token_urlsafe(_BYTES)
        written = ended.written if ended is not None and ended.staff_id == staff_id else None
        self._seats[cookie] = Seat(staff_id=staff_id, token=token, written=written)
        return cookie, gone

    def of(self, cookie: str | None) -> Seat | None:
        return self._seats.get(cookie or "")

    def ended(self, cookie: str | None) -> Seat | None:
        """The seat of a session that has ended by itself, for an hour."""
        self._forget()
        found = self._ended.get(cookie or "")
        return found[1] if found else None

    def end(self, cookie: str | None) -> None:
        """The session is over at the intermediate server, and nobody has logged out."""
        seat = self._seats.pop(cookie or "", None)
        if seat is None:
            return
        self._forget()
        while len(self._ended) >= _MOST:
            del self._ended[next(iter(self._ended))]
        self._ended[cookie or ""] = (self._now_s(), seat)

    def leave(self, cookie: str | None) -> Seat | None:
        """Whoever sat there. Nothing is kept of who logs out."""
        self._ended.pop(cookie or "", None)
        return self._seats.pop(cookie or "", None)

    def _forget(self) -> None:
        for cookie in [one for one, (since, _) in self._ended.items() if since + _KEPT_FOR_S <= self._now_s()]:
            del self._ended[cookie]
