"""Which process evaluates what: leases in the ledger's database."""

import logging
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

from nas.search.storage import Storage

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["Claims"]

_RENEWALS_PER_LEASE = 6

logger = logging.getLogger(__name__)


class Claims:
    """A table beside the study with a row for each result key that a process has claimed, by its digest.

    A claim expires a lease after it was made, by the database's clock, so what a dead process had claimed can be
    claimed again. While a process holds claims, a thread renews them six times a lease. If it was suspended for longer,
    another owner may have its claims; it goes on without them.

    Args:
        storage: of the table, which is created if it is missing.
        study: claims of other studies do not count.
        owner: may claim again what it has claimed, so a killed process that starts again has its claims back.
        lease: seconds.
    """

    def __init__(self, storage: Storage, study: str, owner: str, lease: float = 30.0) -> None:
        import sqlalchemy
        from sqlalchemy import Column, Double, String, Text

        self._storage, self._study, self._lease = storage, study, lease
        self._owner = owner
        self._table = sqlalchemy.Table(
            "nas_claims",
            sqlalchemy.MetaData(),
            Column("study", String(512), primary_key=True),
            Column("digest", String(64), primary_key=True),
            Column("owner", Text, nullable=False),
            Column("lease_end", Double, nullable=False),
        )
        storage.create_table(self._table)
        self._is_own = self._table.c.owner == owner
        self._held: set[str] = set()
        self._closed = threading.Event()
        self._renewal: threading.Thread | None = None

    def acquire(self, digests: Collection[str]) -> set[str]:
        """Claims what no other owner has claimed; to be called under the study's lock.

        Args:
            digests: hexadecimal, at most 64 characters each.

        Returns:
            Those that this owner holds now.
        """
        wanted = set(digests)
        columns = self._table.c
        with self._storage.engine.begin() as connection:
            now = self._storage.now(connection)
            of_others = self._rows(wanted) & (columns.owner != self._owner) & (columns.lease_end > now)
            wanted -= set(connection.scalars(self._table.select().with_only_columns(columns.digest).where(of_others)))
            if wanted:
                connection.execute(self._table.delete().where(self._rows(wanted)))
                lease = {"study": self._study, "owner": self._owner, "lease_end": now + self._lease}
                connection.execute(self._table.insert(), [{**lease, "digest": digest} for digest in sorted(wanted)])
        self._held |= wanted
        if self._held and self._renewal is None:
            self._renewal = threading.Thread(target=self._renew, name="claims", daemon=True)
            self._renewal.start()
        return wanted

    def release(self, digests: Collection[str]) -> None:
        """Ends claims, also those of other owners, since there are results now."""
        if digests:
            with self._storage.engine.begin() as connection:
                connection.execute(self._table.delete().where(self._rows(digests)))
            self._held -= set(digests)

    def close(self) -> None:
        """Ends the claims and their renewal; if the database cannot be reached, they expire by themselves."""
        import sqlalchemy

        self._closed.set()
        if self._renewal is None:
            return
        self._renewal.join(timeout=self._lease)
        try:
            with self._storage.engine.begin() as connection:
                connection.execute(self._table.delete().where(self._rows(self._held) & self._is_own))
        except sqlalchemy.exc.SQLAlchemyError as error:
            logger.warning(
                "claims in '%s' expire only in %g s (%s)", self._storage.name, self._lease, type(error).__name__
            )

    def _renew(self) -> None:
        """Renews the claims until closed; after a failure the next renewal, or a use of the ledger, tries again."""
        import sqlalchemy

        while not self._closed.wait(self._lease / _RENEWALS_PER_LEASE):
            try:
                with self._storage.engine.begin() as connection:
                    lease_end = self._storage.now(connection) + self._lease
                    held = self._rows(self._held) & self._is_own
                    connection.execute(self._table.update().where(held).values(lease_end=lease_end))
            except sqlalchemy.exc.SQLAlchemyError as error:
                logger.debug("claims in '%s' not renewed (%s)", self._storage.name, type(error).__name__)

    def _rows(self, digests: Collection[str]) -> "sqlalchemy.ColumnElement[bool]":
        return (self._table.c.study == self._study) & self._table.c.digest.in_(sorted(digests))
