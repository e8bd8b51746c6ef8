"""The bearer tokens that there are, by number: which were made, used, revoked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from sqlalchemy.exc import SQLAlchemyError

from mograder.errors import NotFound, NotSignedIn
from mograder.hub.identity.tokens import AUDIENCE, Token
from mograder.hub.store.state import TokenRecord, TokenTable

log = logging.getLogger("mograder.identity")

KEPT = 30 * 86400
"""Seconds for which a token that has expired is still listed."""


class Ledger:
    """Tokens by number. The token itself is kept nowhere."""

    def __init__(self, table: TokenTable, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._used: dict[str, TokenRecord] = {}
        self._revoked: set[str] = set()

    def issued(self, token: Token) -> None:
        """Note that a token was made."""
        self._table.add(_record(token))

    def check(self, token: Token) -> None:
        """Note a use of a token that is signed and of today.

        Asks the database each time, by the key: so a revocation holds from the next request on, whichever process
        wrote it down. Only what carries a good signature comes this far.

        Raises:
            NotSignedIn: it is revoked, or that can not be told.
        """
        try:
            known = self._table.get(token.id)
        except SQLAlchemyError as error:
            raise NotSignedIn("This token can not be checked now.", tip="try again in a moment.") from error
        if known is not None and known.revoked is not None:
            raise NotSignedIn("This token was revoked.", tip="mograder hub generate-token")
        self._used[token.id] = _record(token, self._clock())

    def revoked(self, numbers: Iterable[str]) -> set[str]:
        """Which of these tokens are revoked; none that can not be told now. Blocks: for a thread."""
        try:
            found = [self._table.get(number) for number in numbers]
        except SQLAlchemyError:
            log.exception("whether tokens are revoked can not be told now; it is tried again")
            return set()
        return {record.id for record in found if record is not None and record.revoked is not None}

    def holds(self, number: str) -> bool:
        """Whether this process knows nothing of the end of a token; `revoked` asks what others wrote down."""
        return number not in self._revoked

    def all(self) -> list[TokenRecord]:
        """Every token that was made here or used here, the newest first. Blocks: for a thread."""
        self._note_uses()
        return self._table.all()

    def revoke(self, token_id: str) -> TokenRecord:
        """End a token; the same again changes nothing. Blocks. Raises NotFound."""
        self._note_uses()
        self._table.revoke(token_id, self._clock())
        record = self._table.get(token_id)
        if record is None:
            raise NotFound(
                'There is no token with the number "{number}".',
                tip="mograder hub tokens list",
                number=token_id[:64],
            )
        self._revoked.add(token_id)
        return record

    def write_down(self) -> None:
        """Note uses since the last time, and forget what expired long ago. Blocks: for a thread."""
        self._note_uses()
        self._table.forget(self._clock() - KEPT)

    def _note_uses(self) -> None:
        used, self._used = self._used, {}
        if used:
            self._table.used(used.values())


def _record(token: Token, last_used: float | None = None) -> TokenRecord:
    return TokenRecord(
        token.id, token.user, token.role.value, AUDIENCE, token.created, token.expires, last_used=last_used
    )
