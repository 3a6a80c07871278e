"""Providers made of the library, each with one thing wrong in it, for a conformance run to name."""

from __future__ import annotations

import json

from keys import labels
from keys.masked import Plaintext
from keys.sealing import new_one_time_key, seal
from partner.mailbox import Mailbox
from partner.messages import exchange_digest, octets, payload_info, permit_claims, text
from partner.providing import Found, Provider


def forgetting(*reasons: str) -> type[Provider]:
    """A provider that does not make these checks."""

    class Forgetting(Provider):
        __slots__ = ()

        def refusal(self, item, claims, now):
            found = super().refusal(item, claims, now)
            return None if found in reasons else found

    return Forgetting


class AnswersAnew(Provider):
    """It remembers nothing: the same bytes are sealed and signed again, other bytes are judged as if they were the first."""

    def answer(self, item, now):
        self.answered.clear()
        return super().answer(item, now)


class _GivesOtherwise(Provider):
    """It answers whom it must, with what `given` makes of the records whatever was asked for."""

    def _provide(self, item, claims, exchange, now):
        found = self.look(octets(item["code"]), claims["information"])
        if found is None or found.held:
            return super()._provide(item, claims, exchange, now)
        payload = json.dumps(
            {"kind": "answered", "records": self.given(found.records)},
            separators=(",", ":"),
            sort_keys=True,
            ensure_ascii=False,
        )
        sealed = seal(octets(item["public_key"]), payload_info(claims), Plaintext(payload.encode()))
        return self._signed(claims, exchange, now, "provided", sealed=sealed)


class GivesEverything(_GivesOtherwise):
    """It gives the whole record whatever was asked for."""

    def given(self, records):
        return list(records)


class GivesEmptyRecords(_GivesOtherwise):
    """It gives records with nothing in them."""

    def given(self, records):
        return [{**record, "items": {}} for record in records]


class SealsToAnotherKey(Provider):
    def _provide(self, item, claims, exchange, now):
        return super()._provide({**item, "public_key": text(new_one_time_key().public)}, claims, exchange, now)


class SignsWithAnotherLabel(Provider):
    def _signed(self, *args, **kwargs):
        found = super()._signed(*args, **kwargs)
        return {**found, "signature": text(self.signer.sign(labels.INQUIRY, octets(found["outcome"])))}


class MakesReasonsUp(Provider):
    """It refuses what it must, and says of nothing why."""

    def answer(self, item, now):
        found = super().answer(item, now)
        return {"refused": {"reason": "because"}} if "refused" in found else found

    def _signed(self, *args, reason=None, **kwargs):
        return super()._signed(*args, reason=reason and "because", **kwargs)


class TellsInClear(Provider):
    """Everybody on the way reads who is unknown here."""

    def _provide(self, item, claims, exchange, now):
        if self.look(octets(item["code"]), claims["information"]) is None:
            return self._signed(claims, exchange, now, "not_provided", reason="no_such_person")
        return super()._provide(item, claims, exchange, now)


class ReleasesBarred(Provider):
    def _provide(self, item, claims, exchange, now):
        look = self.look
        self.look = lambda code, information: (found := look(code, information)) and Found(records=found.records)
        try:
            return super()._provide(item, claims, exchange, now)
        finally:
            self.look = look


class JudgesByTheDelegate(Provider):
    """It looks up whoever asks, not whoever has delegated it: of an inquiry in another's stead that is the wrong row."""

    def refusal(self, item, claims, now):
        found = super().refusal(item, claims, now)
        return "inquirer_not_in_row" if found is None and "inquirer_for" in claims else found


class LooksAtTheItemAlone(Provider):
    """Of the list it knows which items there are, and neither whose nor which information nor when."""

    def refusal(self, item, claims, now):
        found = super().refusal(item, claims, now)
        return None if found == "not_permitted" and claims["item"] != "9999" else found


class LooksAtNoProvider(Provider):
    """It looks who may ask for what, and not from whom."""

    def refusal(self, item, claims, now):
        found = super().refusal(item, claims, now)
        others = ({**claims, "provider": one} for one in self.register().agencies)
        return None if found == "not_permitted" and any(map(self.permitted, others)) else found


class TakesAnything(Mailbox):
    """It takes in whatever comes."""

    __slots__ = ()

    def take_code(self, number, code):
        self.codes[number] = code
        self.came.set()
        return {"bound": True}

    def take_outcome(self, permit_id, answer, register, now):
        self.outcomes[permit_id] = answer
        return {"received": True}


class BindsOnce(Mailbox):
    """A code that comes again is a stranger to it."""

    __slots__ = ()

    def take_code(self, number, code):
        known = number in self.codes
        found = super().take_code(number, code)
        return {"refused": {"reason": "acquisition_number_unknown"}} if known and "bound" in found else found


class BelievesAnyPermit(Provider):
    """It reads the claims and does not look who signed them."""

    def answer(self, item, now):
        claims, exchange = permit_claims(item["permit"]), exchange_digest(item)
        key = (claims["inquirer"], claims["inquiry_number"])
        before = self.answered.get(key)
        if before is not None and before[0] == exchange:
            return before[1]
        reason = "permit_replayed" if before else self.refusal(item, claims, now)
        if reason is not None:
            return self._signed(claims, exchange, now, "refused", reason=reason)
        self.answered[key] = (exchange, self._provide(item, claims, exchange, now))
        return self.answered[key][1]
