"""The tables of the hub's state."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, MetaData, PrimaryKeyConstraint, String, Table, Text

metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("user", String, nullable=False),
    Column("item", String, nullable=False),
    Column("state", String, nullable=False),
    Column("socket", String, nullable=False),
    Column("directory", String, nullable=False),
    Column("scratch", String),
    Column("handle", Text),
    Column("environment", String, nullable=False),
    Column("notebook", String, nullable=False),
    Column("started", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
)

# With which content a student's copy began, and which content was exported last.
copies = Table(
    "copies",
    metadata,
    Column("user", String, nullable=False),
    Column("item", String, nullable=False),
    Column("base", String),
    Column("exported", String),
    PrimaryKeyConstraint("user", "item"),
)

# The release that a copy comes from, and the one before its last update (`mograder.hub.origins`).
origins = Table(
    "origins",
    metadata,
    Column("user", String, nullable=False),
    Column("item", String, nullable=False),
    Column("release", String, nullable=False),
    Column("before", String),
    PrimaryKeyConstraint("user", "item"),
)

# The last validation of a copy, by the content that was validated. ``grounds``: all that the result stands on
# (`mograder.hub.grounds`); none if it is not to be used again.
results = Table(
    "results",
    metadata,
    Column("user", String, nullable=False),
    Column("item", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("when", Float, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("result", Text, nullable=False),
    Column("grounds", String),
    PrimaryKeyConstraint("user", "item"),
)

# Bearer tokens by their number; the tokens themselves are written down nowhere. Times are seconds since the epoch.
tokens = Table(
    "tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("user", String, nullable=False),
    Column("role", String, nullable=False),
    Column("audience", String, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("revoked", Float),
    Column("last_used", Float),
)

# Who is logged in. The cookie holds a random number; only its HMAC is written down.
logins = Table(
    "logins",
    metadata,
    Column("digest", String, primary_key=True),
    Column("user", String, nullable=False),
    Column("role", String, nullable=False),
    Column("via", String, nullable=False),
    Column("created", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
)

# What instructors say to everybody, and who has put it away.
messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("author", String, nullable=False),
    Column("when", Float, nullable=False),
    Column("text", Text, nullable=False),
)
dismissals = Table(
    "dismissals",
    metadata,
    Column("message", Integer, nullable=False),
    Column("user", String, nullable=False),
    PrimaryKeyConstraint("message", "user"),
)

# Which instructor looked at whose work: the owner may read it.
visits = Table(
    "visits",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("visitor", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("item", String, nullable=False),
    Column("when", Float, nullable=False),
    Index("visits_by_owner", "owner", "when"),
)

# When somebody got their first copy of an item; kept through resets.
begun = Table(
    "begun",
    metadata,
    Column("user", String, nullable=False),
    Column("item", String, nullable=False),
    Column("when", Float, nullable=False),
    PrimaryKeyConstraint("user", "item"),
)

# How often somebody tried a check, how it stands, and when it was passed for the first time.
attempts = Table(
    "attempts",
    metadata,
    Column("user", String, nullable=False),
    Column("item", String, nullable=False),
    Column("label", String, nullable=False),
    Column("status", String, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("first_tried", Float, nullable=False),
    Column("first_passed", Float),
    PrimaryKeyConstraint("item", "user", "label"),
)

# How the checks of a content went: told beside each version in the history.
checked = Table(
    "checked",
    metadata,
    Column("user", String, nullable=False),
    Column("item", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("when", Float, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    PrimaryKeyConstraint("user", "item", "digest"),
)
