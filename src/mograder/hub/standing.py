"""Closes the live notebooks and streams of people who may not be there any more, whatever ended that and wherever."""

from __future__ import annotations

import asyncio

from mograder.hub.gateway.granted import Granted
from mograder.hub.identity.gate import Gate
from mograder.hub.identity.ledger import Ledger


class Standing:
    """Goes through what is open. All but the ledger is asked in memory; for the event loop."""

    def __init__(self, granted: Granted, gate: Gate, ledger: Ledger) -> None:
        self._granted = granted
        self._gate = gate
        self._ledger = ledger

    def login_ended(self, login: str) -> None:
        """One login, by its digest."""
        self._granted.end(lambda grant: grant.login == login)

    def signed_out_everywhere(self, user: str) -> None:
        """Every way in of somebody's but tokens: also what came by the login proxy's word and kept no cookie."""
        self._granted.end(lambda grant: grant.user == user and not grant.token)

    async def recheck(self) -> None:
        """Close what does not hold any more: lists and revocations may be changed by other processes."""
        tokens = {grant.token for grant in self._granted.grants if grant.token}
        revoked = await asyncio.to_thread(self._ledger.revoked, tokens) if tokens else set()
        self._granted.end(lambda grant: grant.token in revoked or not self._gate.holds(grant))
