"""Reads a topology and the files of added agencies: every mistake is noted with its line, and a file with one gives nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from codebook.marked_yaml import Marked
from gateway import assessed_days, delegations, topology_options
from gateway.api.grants import GRANTS
from gateway.data_folder import ADDRESSES, STAFF_FOLDER
from gateway.topology_fields import Fields, Findings, load, shown
from gateway.topology_options import WrongFile
from gateway.topology_parts import (
    NETWORK,
    RESIDENT_NETWORK,
    WRITTEN_FOR,
    Addition,
    Agency,
    BusinessSystem,
    Departed,
    Program,
    Role,
    Route,
)
from gateway.topology_servers import ROLE_KEYS, Servers
from gateway.topology_texts import A_CODE, A_NAME, A_SYSTEM, AN_ID
from permission_lists.parties import fit, listed_name, resolve
from storage.reference_data import read_party_rules, read_permission_list
from transport.register import Delegation

_ROLE: Final = re.compile(r"[a-z][a-z0-9-]{1,30}")
_CODE: Final = re.compile(r"9999[0-9]{12}")
_TEXT: Final = re.compile(r"\S(.*\S)?")
_SYSTEM: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_TWO_PEOPLE: Final = ("staff_two_person_release", "staff_two_person_bars")


class Reading:
    """Reads agencies and roles one after the other; each is checked against those before it.

    `published`: kinds of information of lists that were published beside the shipped ones. `awaited`: ids of agencies in files of their own.
    `wrong_file`: role, option and path → what is wrong with the file that the option names, or None.
    """

    def __init__(
        self,
        *,
        published: Callable[[], Collection[str]] = frozenset,
        awaited: Collection[str] = (),
        wrong_file: Callable[[str, str, str], WrongFile | None] = lambda _role, _option, _path: None,
    ) -> None:
        self._published = published
        self._wrong_file = wrong_file
        self._awaited = awaited
        self.findings = Findings("")
        self.agencies: dict[str, Agency] = {}
        self.roles: dict[str, Role] = {}
        self.departed: dict[str, Departed] = {}
        self.added: set[str] = set()
        self.servers = Servers()
        self._taken: dict[tuple[str, object], str] = {}
        self._lines: dict[str, int] = {}
        self._delegated: list[tuple[Delegation, str]] = []

    def topology(self, file: str, text: str) -> None:
        """A whole topology. Raises TopologyError."""
        self.findings = Findings(file)
        document = self._fields(
            load(text, self.findings), ("agencies", "roles", "delegations", "routes"), 1, "構成ファイル (topology)"
        )
        for item in document.elements("agencies"):
            self._agency(item, document.mapping.line_of("agencies"))
        self._roles(document)
        for item in document.elements("delegations"):
            self._delegation(item, document.mapping.line_of("delegations"), self.agencies)
        self._needed(document)
        self.servers.all_routes(document, self.roles, [*self.roles, *self._elsewhere])
        self.findings.check()

    @property
    def delegations(self) -> list[Delegation]:
        """Those with an agency that has left are over."""
        return [one for one, _ in self._delegated if self.departed.keys().isdisjoint({one.delegator, one.delegate})]

    @property
    def routes(self) -> list[Route]:
        """None leads to the server of an agency that has left."""
        gone = {one.agency.id for one in self.departed.values() if one.agency.elsewhere is not None}
        return [one for one in self.servers.routes if one.called not in gone]

    @property
    def _elsewhere(self) -> list[str]:
        """Agencies with a server elsewhere; those in files of their own may be."""
        return [*(one.id for one in self.agencies.values() if one.elsewhere is not None), *self._awaited]

    def _roles(self, document: Fields) -> None:
        roles, before = document.mapping.get("roles"), len(self.findings.found)
        if isinstance(roles, Marked):
            for name, item in roles.items():
                self._role(name, item, roles)
        if len(self.findings.found) > before:  # a role that is not right does not make its agencies homeless
            return
        hosted = {(role.program, one) for role in self.roles.values() for one in role.hosts}
        for agency in self.agencies.values():
            if agency.elsewhere is None and (Program.INTERMEDIATE, agency.id) not in hosted:
                self.findings.add(self._lines[agency.id], "agency_nowhere", what=f"機関 {agency.id}")
            if agency.elsewhere is None and agency.systems and (Program.LINKAGE, agency.id) not in hosted:
                self.findings.add(self._lines[agency.id], "systems_nowhere", what=f"機関 {agency.id}")

    def additions(self, additions: Iterable[Addition]) -> None:
        """Agencies in files of their own, right or wrong in any order: who has left, who takes part, what they say of each other. Raises TopologyError."""
        known = ("agency", "hosted_by", "left", "delegations", "routes")
        documents: list[tuple[Fields, bool]] = []
        for one in additions:
            self.findings = Findings(one.file)
            document = self._fields(load(one.text, self.findings), known, 1, "機関のファイル (agency file)")
            documents.append((document, one.new))
        documents.sort(key=lambda one: "left" not in one[0].mapping)
        agencies = [self._left(one) if "left" in one.mapping else self._added(one) for one, _ in documents]
        for (document, new), agency in zip(documents, agencies, strict=True):
            self._says(document, agency, self.agencies if new else {**self.agencies, **self.departed})
        for document, _ in documents:
            document.findings.check()

    def _left(self, document: Fields) -> Agency | None:
        """An agency that has left: nobody gets its id, its code or its keys; its name and its place are free."""
        self.findings = document.findings
        named = document.mapping.get("agency")
        for one in [one for one in self.agencies.values() if isinstance(named, dict) and one.id == named.get("id")]:
            self._leaves(one)
        agency = self._agency(named, document.mapping.line_of("agency"), left=True)
        hosted_by, day = self._hosted_by(document, agency), document.day("left")
        if agency is not None and day is not None:
            self.departed[agency.id] = Departed(agency=agency, left_on=day.isoformat(), hosted_by=hosted_by)
        return agency

    def _leaves(self, agency: Agency) -> None:
        """An agency of the topology itself that a file takes out of it: what it had is that file's, or free."""
        del self.agencies[agency.id]
        systems = [("business system", one.id) for one in agency.systems]
        for claim in (("agency", agency.id), ("code", agency.code), ("name", agency.name), *systems):
            self._taken.pop(claim, None)
        if agency.elsewhere is not None:
            self.servers.leave(agency.id, agency.elsewhere)
        for role in self.roles.values():
            self.roles[role.name] = replace(role, hosts=tuple(host for host in role.hosts if host != agency.id))

    def _added(self, document: Fields) -> Agency | None:
        self.findings = document.findings
        agency = self._agency(document.mapping.get("agency"), document.mapping.line_of("agency"))
        hosted_by = self._hosted_by(document, agency)
        if agency is not None and agency.systems and hosted_by and Program.LINKAGE not in hosted_by:
            self.findings.add(self._lines[agency.id], "systems_nowhere", what=f"機関 {agency.id}")
        if agency is not None and not self.findings.found:
            self.added.add(agency.id)
            for name in hosted_by.values():
                self.roles[name] = replace(self.roles[name], hosts=(*self.roles[name].hosts, agency.id))
        return agency

    def _says(self, document: Fields, agency: Agency | None, known: Collection[str]) -> None:
        """The delegations, with those who are `known`, and the routes of an agency's own file."""
        self.findings = document.findings
        for item in document.elements("delegations"):
            self._delegation(item, document.mapping.line_of("delegations"), known, of=agency)
        self.servers.own_routes(document, self.roles)

    def _fields(self, mapping: object, known: Collection[str], line: int, what: str) -> Fields:
        return Fields(mapping, known, line=line, what=what, findings=self.findings)

    def _agency(self, item: object, line: int, *, left: bool = False) -> Agency | None:
        """None when something is wrong with it; whoever names its id is right all the same."""
        known = ("id", "code", "name", "kinds", "assessed", "staff", "systems", "elsewhere")
        fields = self._fields(item, known, line, "機関 (agency)")
        before = len(self.findings.found)
        id_ = self._id(fields)
        fields.what = f"機関 {id_}" if id_ else fields.what
        name = self._name(fields)
        elsewhere = self.servers.elsewhere(fields, id_, left=left)
        systems = tuple(self._system(each, fields, left=left) for each in fields.elements("systems"))
        if elsewhere is not None and systems:
            fields.wrong("systems", "systems_elsewhere")
        agency = Agency(
            id=id_,
            code=fields.text("code", _CODE, A_CODE),
            name=name,
            kinds=self._kinds(fields, name),
            assessed=assessed_days.read(fields, left=left),
            staff=fields.truth("staff", default=True),
            systems=systems,
            elsewhere=elsewhere,
        )
        self._once(fields, "id", [("agency", id_)], f"id {shown(id_)}")
        self._once(fields, "code", [("code", agency.code)], f"機関コード {shown(agency.code)}")
        if not left:
            self._once(fields, "name", [("name", name)], f"名称 {shown(name)}")
        if id_ and not left:
            self.agencies.setdefault(id_, agency)
            self._lines.setdefault(id_, fields.line)
        return agency if len(self.findings.found) == before else None

    def _delegation(self, item: object, line: int, known: Collection[str], *, of: Agency | None = None) -> None:
        """`of`: the agency in whose file it stands, which must be one of the two."""
        fields = self._fields(item, delegations.KEYS, line, "委任 (delegation)")
        found = delegations.read(fields, known, self._information)
        if found is None:
            return
        if of is not None and of.id not in {found.delegator, found.delegate}:
            fields.wrong(None, "delegation_of_others", agency=of.id)
            return
        first = next((where for one, where in self._delegated if delegations.overlap(one, found)), None)
        if first is not None:
            fields.wrong(None, "delegation_twice", first=first)
            return
        self._delegated.append((found, fields.at(None)))

    def _information(self, fields: Fields, key: str, more: Collection[str] = ()) -> frozenset[str]:
        """Kinds of 特定個人情報 under the key; each must stand in a permission list, or in `more`."""
        found = fields.texts(key)
        for name in found:
            if name not in more and name not in self._shipped and name not in self._published():
                fields.unknown(key, "name_unknown", name, sorted({*self._shipped, *self._published()}))
        return frozenset(found)

    @cached_property
    def _shipped(self) -> frozenset[str]:
        rows = read_permission_list().rows.values()
        return frozenset(name for row in rows for grant in row.grants for name in grant.information)

    def _id(self, fields: Fields) -> str:
        found = fields.text("id", _ROLE, AN_ID)
        if found in {NETWORK, RESIDENT_NETWORK} or found.startswith(STAFF_FOLDER):
            fields.wrong("id", "id_reserved", id=shown(found))
        return found

    def _name(self, fields: Fields) -> str:
        """As the permission list names the agency: 東京都世田谷区長 is 世田谷区長, whichever was written (docs/adr/0092)."""
        name = fields.text("name", _TEXT, A_NAME)
        listed = listed_name(read_party_rules(), name)
        if listed is None:
            fields.wrong("name", "name_of_several", name=shown(name))
        return listed or name

    def _kinds(self, fields: Fields, name: str) -> tuple[str, ...]:
        """法令の区分: as given, or as the name tells them."""
        rules = read_party_rules()
        party = resolve(rules, name) if name else None
        if "kinds" not in fields.mapping:
            if party is None and name:
                fields.wrong("name", "kinds_missing", name=shown(name))
            return tuple(sorted(party.kinds)) if party else ()
        kinds = frozenset(fields.texts("kinds"))
        unknown = sorted(kinds - rules.kinds)
        for one in unknown:
            fields.unknown("kinds", "kind_unknown", one, sorted(rules.kinds))
        if not kinds:
            fields.wrong("kinds", "kinds_empty")
        elif party is not None and not unknown and not fit(rules, party, kinds):
            fields.wrong("kinds", "kinds_contrary", name=shown(name), told=", ".join(sorted(party.kinds)))
        return tuple(sorted(kinds))

    def _system(self, item: object, of: Fields, *, left: bool) -> BusinessSystem:
        known = ("id", "name", "individual_number", "grants")
        fields = self._fields(item, known, of.mapping.line_of("systems"), f"{of.what} の業務システム (system)")
        id_ = fields.text("id", _SYSTEM, A_SYSTEM)
        if id_ == ADDRESSES:
            fields.wrong("id", "id_reserved", id=shown(id_))
        grants = fields.texts("grants")
        for grant in grants:
            if grant not in GRANTS:
                fields.unknown("grants", "grant_unknown", grant, GRANTS)
        if not left:
            self._once(fields, "id", [("business system", id_)], f"業務システムの id {shown(id_)}")
        return BusinessSystem(
            id=id_,
            name=fields.text("name", _TEXT, A_NAME),
            individual_number=fields.truth("individual_number"),
            grants=grants,
        )

    def _role(self, name: object, item: object, roles: Marked) -> None:
        line = roles.line_of(name)
        if not isinstance(name, str) or not _ROLE.fullmatch(name):
            self.findings.add(line, "role_malformed", name=shown(name))
            return
        known = ("program", "hosts", "options", *ROLE_KEYS)
        fields = self._fields(item, known, line, f"役割 {name} (role)")
        program = fields.named("program", [one.value for one in Program])
        hosts = fields.texts("hosts")
        where = self.servers.role(fields, name)
        if program:
            self._hosts(fields, Program(program), hosts)
            self.roles[name] = Role(
                name=name,
                program=Program(program),
                hosts=hosts,
                options=self._options(fields, name, Program(program), hosts),
                **where,
            )

    def _options(self, fields: Fields, role: str, program: Program, hosts: Collection[str]) -> dict[str, Any]:
        if "options" not in fields.mapping:
            return {}
        options = fields.within("options", topology_options.known(program))
        topology_options.examine(options, program, [*hosts, *self._awaited])
        for key in _TWO_PEOPLE:
            if isinstance(options.mapping.get(key), list):
                self._information(options, key, more=("*",))
        for key in topology_options.FILES:
            self._files(options, role, key)
        return dict(options.mapping)

    def _files(self, options: Fields, role: str, key: str) -> None:
        """Each file that an option names is there and right: a role does not start without."""
        named = options.mapping.get(key)
        if not isinstance(named, Marked):
            return
        for agency, path in named.items():
            wrong = self._wrong_file(role, key, path) if isinstance(path, str) else None
            if wrong is not None:
                code = "file_not_there" if wrong.said is None else "file_not_right"
                said = {"what": options.what, "key": key, "file": f"「{wrong.place}」", "said": wrong.said or ""}
                self.findings.add(named.line_of(agency), code, **said)

    def _hosts(self, fields: Fields, program: Program, hosts: Iterable[str]) -> None:
        """Each is there, is not elsewhere, and has no other role of this program."""
        simulated = {Program.NETWORK: NETWORK, Program.RESIDENT_NETWORK: RESIDENT_NETWORK}.get(program)
        for agency in hosts:
            found = self.agencies.get(agency)
            if (agency != simulated) if simulated else (found is None):
                fields.unknown("hosts", "host_unknown", agency, [simulated] if simulated else self.agencies)
            elif found is not None and found.elsewhere is not None:
                fields.wrong("hosts", "host_elsewhere", agency=shown(agency))
            elif agency != WRITTEN_FOR.get(program, agency):
                fields.wrong(
                    "hosts", "host_of_another", agency=shown(agency), program=program.value, known=WRITTEN_FOR[program]
                )
            host = (f"host of {program.value}", agency)
            self._once(fields, "hosts", [host], f"機関 {shown(agency)} を受け持つ {program.value} の役割")

    def _hosted_by(self, document: Fields, agency: Agency | None) -> dict[Program, str]:
        """Program → role, of an agency in a file of its own; none of an agency elsewhere."""
        if agency is None:
            return {}
        if agency.elsewhere is not None:
            if "hosted_by" in document.mapping:
                document.wrong("hosted_by", "host_elsewhere", agency=shown(agency.id))
            return {}
        programs = (Program.LINKAGE, Program.INTERMEDIATE)
        line = document.mapping.line_of("hosted_by")
        fields = self._fields(document.mapping.get("hosted_by"), [one.value for one in programs], line, "hosted_by")
        named = [program for program in programs if program.value in fields.mapping]
        if Program.INTERMEDIATE not in named:
            fields.wrong(
                None, "key_missing", key="intermediate", mend=f"役割の名前です / a role: {self._known(programs[1])}"
            )
        return {program: name for program in named if (name := self._hosting_role(fields, program))}

    def _hosting_role(self, fields: Fields, program: Program) -> str:
        known = self._known(program)
        name = fields.text(program.value, _ROLE, f"役割の名前です / a role: {known}")
        if name and name not in known.split(", "):
            fields.wrong(program.value, "role_unknown", program=program.value, role=shown(name), known=known)
        return name

    def _known(self, program: Program) -> str:
        return ", ".join(role.name for role in self.roles.values() if role.program is program)

    def _once(self, fields: Fields, key: str, claims: Collection[tuple[str, object]], thing: str) -> None:
        """Note when somebody before has this already, under any of its names."""
        claims = [claim for claim in claims if claim[1]]
        first = next((self._taken[claim] for claim in claims if claim in self._taken), None)
        if first is not None:
            fields.wrong(key, "stands_twice", thing=thing, first=first)
        else:
            self._taken.update(dict.fromkeys(claims, f"{self.findings.file}:{fields.mapping.line_of(key)}"))

    def _needed(self, document: Fields) -> None:
        """What a topology cannot be without."""
        for key in ("agencies", "roles"):
            if not document.mapping.get(key):
                document.wrong(key, "key_missing", key=key, mend=f"{key}: を書いてください / write {key}:")
        for program, name in ((Program.NETWORK, NETWORK), (Program.RESIDENT_NETWORK, RESIDENT_NETWORK)):
            if not any(role.program is program and name in role.hosts for role in self.roles.values()):
                document.wrong("roles", "role_missing", name=name)
        for name, role in self.roles.items():
            if not role.hosts:
                document.wrong("roles", "hosts_missing", name=name)
            systems = {one.id for host in role.hosts if host in self.agencies for one in self.agencies[host].systems}
            if role.program is Program.SKY2 and name not in systems:
                roles = document.mapping["roles"]
                self.findings.add(roles.line_of(name), "sky2_has_no_system", name=name)
