"""A running system whose ward makes and restores backups by command, and what was seen on the way."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway import config
from gateway.__main__ import main
from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK
from gateway.setting_up import databases
from storage.migrations import migrate
from tests.support.running_system import System


@dataclass(kw_only=True)
class BackupWorld:
    """`found`: what was seen on the way. `role`, `schema`: of the database that is lost and restored; `database`: its name in the command."""

    system: System
    folder: Path
    role: str
    schema: str
    database: str
    numbers: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / "setagaya.backup"

    def sekisho(self, *words: str) -> tuple[int, str]:
        told = io.StringIO()
        with redirect_stdout(told), redirect_stderr(told):
            code = main([*words, "--data", str(self.system.running.data.root)])
        return code, told.getvalue()

    def done(self, *words: str, by: str = "admin-1") -> str:
        code, told = self.sekisho(*words, "--agency", WARD, "--staff", by)
        assert code == OK, told
        return told

    def backup(self, action: str, *words: str) -> tuple[int, str]:
        of = () if action in ("list", "lift") else ("--database", self.database)
        return self.sekisho("backup", action, *words, *of, "--agency", WARD)

    def restore_that_dies(self, fault: str) -> int:
        """The end of a restore by a process that is killed at this point."""
        words = ("backup", "restore", str(self.file), "--database", self.database, "--agency", WARD)
        command = [sys.executable, "-m", "gateway", *words, "--data", str(self.system.running.data.root)]
        environment = {**os.environ, config.FAULT: fault}
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode

    async def lose(self) -> None:
        """The schema is gone; set-up makes an empty one."""
        running = self.system.running
        async with self.system.administrator() as connection:
            await connection.execute(f"drop schema {self.schema} cascade")
        login = databases.login(running.topology.roles[self.role], running.data.role(self.role))
        await migrate(running.admin_dsn, databases.tenants(running.topology), [login])

    async def ask_database(self, query: str, *values: Any) -> list[Any]:
        async with self.system.administrator() as connection:
            await connection.execute(f"set search_path to {self.schema}")
            return list(await connection.fetch(query, *values))

    def add_keeper(self, file: str) -> None:
        """Somebody, `keeper`, with a right to backups of the one database that this file names."""
        self.done("staff", "add", "keeper", "--office", "joho-security", "--until", "2026-04-01")
        self.done("staff", "password", by="keeper")
        right = ("--function", "backup", "--file", file, "--office", "joho-security", "--until", "2026-04-01")
        self.done("staff", "grant", "keeper", *right)
        listed = json.loads(self.done("staff", "grants", "--json", by="admin-2"))
        [grant] = [one for one in listed if one["staff_id"] == "keeper"]
        self.done("staff", "approve", grant["grant_id"], "--hash", grant["content_hash"], by="admin-2")
