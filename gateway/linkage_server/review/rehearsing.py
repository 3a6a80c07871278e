"""What a decision would make of people, carried out and taken back: what would stand in its way is told to whoever proposes or approves it (LS-1.3, SC-18).

The 個人番号 that it gives somebody is theirs only when the resident network agrees in all four items, as the decision leaves them. The network is asked
outside every transaction: when the decision is proposed, when it is approved, and once more before it is carried out.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.linkage_server.addressees import resident_network
from gateway.linkage_server.addressees import store as addressees
from gateway.linkage_server.addressees.resident_network import Account
from gateway.linkage_server.people import store as people
from gateway.linkage_server.review import effects, store
from gateway.linkage_server.review.assessing import Assessed, assess
from gateway.linkage_server.review.decision import No, State
from gateway.linkage_server.review.effects import Work
from gateway.linkage_server.review.refolding import NumberTakenError
from gateway.linkage_server.review.store import Decision
from gateway.linkage_server.tenant import Agency


async def rehearse(agency: Agency, one: Decision) -> Assessed:
    """A decision as it stands now, with the problem that it would meet. Raises ChannelError, StorageUnavailableError."""
    account: Account | None = None
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute("SAVEPOINT rehearsal")
        await addressees.lock_counter(connection)
        assessed = await assess(connection, agency.keys, one.kind, one.content, one.hold_id)
        known = await store.read_decision(connection, agency.keys, one.id)
        took_effect = known is not None and known.state in {State.APPLIED, State.DONE}  # another process was faster
        if assessed.problem is None and not took_effect:
            whole = replace(one, content=assessed.content)
            work = Work(agency=agency, connection=connection, decision=whole, hold=assessed.hold)
            try:
                account = await _given(work)
            except NumberTakenError:
                assessed = replace(assessed, problem=No.INDIVIDUAL_NUMBER_TAKEN)
        await connection.execute("ROLLBACK TO SAVEPOINT rehearsal")
    return replace(assessed, problem=assessed.problem or await _refused_by_network(agency, account))


async def _given(work: Work) -> Account | None:
    """The number that is given, with the four items of whom it is given to as they are then."""
    given = await effects.carry_out(work)
    if given is None:
        return None
    [to] = (await people.read_held(work.connection, work.agency.keys, [given.to])).values()
    return given.number, list(to.person.items)


async def _refused_by_network(agency: Agency, account: Account | None) -> No | None:
    """Why a number that is given is not bound: the resident network does not know it, or disagrees."""
    if account is None or not resident_network.is_asked(agency):
        return None
    [fields] = await resident_network.compare(agency, [account])
    if fields is None:
        return No.NOT_IN_RESIDENT_NETWORK
    return No.FOUR_ITEMS_DIFFER if fields else None
