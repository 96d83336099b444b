"""
The tables, once, for SQLite and PostgreSQL alike. `statements.py` says what is asked of them; migrations follow them.

Moments are Unix seconds, states and names are text, digests are hex. Nothing here holds a secret in the clear.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    literal_column,
    or_,
    text,
)

REVISION = "0013"
"""The migration that makes exactly these tables. A store at this revision opens without loading Alembic."""


def fixed(word: str) -> ColumnElement[str]:
    """Return *word* as a literal: an index over some rows only is used when the query names the same constant."""
    return literal_column(f"'{word}'")


metadata = MetaData()

_number = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER is SQLite's own row number

calls = Table(
    "calls",
    metadata,
    Column("seq", _number, primary_key=True),  # order of acceptance
    Column("id", Text, nullable=False, unique=True),
    Column("agency", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("class", Text, nullable=False),
    Column("interactive", Boolean, nullable=False),
    Column("caller", Text, nullable=False),
    Column("officer", Text),
    Column("unit", Text),
    Column("dossier", Text),
    Column("intake", Text),
    Column("procedure", Text),
    Column("fingerprint", Text, nullable=False),
    Column("accepted_at", Double, nullable=False),
    Column("deadline", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("step", Text, nullable=False),
    Column("repeat_safe", Boolean, nullable=False),
    Column("order_key", Text),
    Column("idempotency_key", Text),
    Column("traceparent", Text),
    Column("state", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("exchange_no", Integer, nullable=False),
    Column("settled_no", Integer, nullable=False),  # the newest exchange whose end was written: tells a crash loop
    Column("doubt_no", Integer),  # the exchange that left the call in doubt: late evidence must be of this one
    Column("lease_node", Text),
    Column("lease_until", Double),
    Column("cause", Text, nullable=False),
    Column("result", Text),
    Column("ended_at", Double),  # when it entered a state that lasts; of an answered call, when the answer came
    Column("request_digest", Text, nullable=False),
    Column("request_size", Integer, nullable=False),
    Column("answer_digest", Text),
    Column("answer_size", Integer),
    Column("payer", Text, nullable=False, server_default=""),  # caller and unit as one: leases go round by it
    Column("batch", Text),  # id of the batch it was handed in with
    postgresql_with={"fillfactor": 60},  # room to lease a row where it stands, so that no index has to hear of it
)

is_ready: ColumnElement[bool] = and_(calls.c.state == fixed("queued"), ~calls.c.interactive)
"""Durable calls that wait for a permit."""
KEY_HOLDERS = ("queued", "sending", "in_doubt", "dead")
"""States in which a call holds its order key."""
holds_key: ColumnElement[bool] = and_(
    calls.c.order_key.is_not(None), or_(*(calls.c.state == fixed(state) for state in KEY_HOLDERS))
)
"""Calls that no younger call of the same order key may pass."""
is_leaving: ColumnElement[bool] = or_(
    calls.c.state == fixed("sending"), and_(calls.c.state == fixed("queued"), calls.c.interactive)
)
"""What a crash leaves behind, besides doubt."""
is_asked_after: ColumnElement[bool] = or_(
    calls.c.state == fixed("in_doubt"),
    and_(calls.c.state == fixed("answered"), calls.c.result == fixed("pending"), ~calls.c.interactive),
)
"""Durable calls whose end only the agency knows: it is asked when they fall due."""
needs_person: ColumnElement[bool] = or_(calls.c.state == fixed("in_doubt"), calls.c.state == fixed("dead"))


def _some(name: str, *columns: Column[object], where: ColumnElement[bool], unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_some(
    "calls_idempotency",
    calls.c.idempotency_key, calls.c.agency, calls.c.operation, calls.c.caller,
    where=calls.c.idempotency_key.is_not(None),
    unique=True,
)  # fmt: skip
_some("calls_ready", calls.c.agency, calls.c.due_at, calls.c.seq, where=is_ready)
_some(
    "calls_turn", calls.c.agency, calls.c["class"], calls.c.payer, calls.c.due_at, calls.c.seq, where=is_ready
)  # fmt: skip
_some("calls_order", calls.c.agency, calls.c.order_key, calls.c.seq, where=holds_key)
_some(
    "calls_leaving", calls.c.seq, where=is_leaving
)  # few rows; an index over what each lease changes costs every lease
_some("calls_person", calls.c.agency, calls.c.state, calls.c.due_at, where=needs_person)
_some("calls_asked_after", calls.c.agency, calls.c.due_at, calls.c.seq, where=is_asked_after)
_some("calls_dossier", calls.c.dossier, calls.c.seq, where=calls.c.dossier.is_not(None))
Index("calls_caller", calls.c.caller, calls.c.seq)
_batch = (calls.c.caller, calls.c.agency, calls.c.batch)
_some("calls_batch", *_batch, calls.c.seq, where=calls.c.batch.is_not(None))
_some("calls_batch_state", *_batch, calls.c.state, calls.c.seq, where=calls.c.batch.is_not(None))

bodies = Table(
    "bodies",
    metadata,
    Column("call", Text, primary_key=True),
    Column("side", Text, primary_key=True),  # request, answer
    Column("bytes", LargeBinary, nullable=False),
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("call", Text, primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("agency", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("sent_at", Double, nullable=False),
    Column("outcome", Text),  # null: still on the wire, as far as anybody knows
    Column("cause", Text),
    Column("seconds", Double),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 80},
)
Index("exchanges_sent", exchanges.c.sent_at)

references = Table(
    "references",
    metadata,
    Column("dossier", Text, primary_key=True),  # the call's id where a call has no dossier
    Column("agency", Text, primary_key=True),
    Column("ours", Text, primary_key=True),
    Column("theirs", Text, primary_key=True),  # a dossier may be paid for twice: the newest is the one that is sent
    Column("call", Text, nullable=False),  # which brought it first; the id of a notice where one did
    Column("known_at", Double, nullable=False),
)
Index("references_theirs", references.c.agency, references.c.ours, references.c.theirs)

notices = Table(
    "notices",
    metadata,
    Column("seq", _number, primary_key=True),  # place in the feed; never given twice, or a caller would miss one
    Column("id", Text, nullable=False),
    Column("agency", Text, nullable=False),
    Column("notice", Text, nullable=False),
    Column("unique_key", Text),  # by which a notice that an agency sends twice is known
    Column("dossier", Text),
    Column("caller", Text),  # whose it is; null: of all whose key names the agency
    Column("call", Text),  # what it is about, of `call.settled`
    Column("received_at", Double, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
    Column("model", Text),  # canonical name of the value that an agency told
    sqlite_autoincrement=True,
)
_some(
    "notices_unique",
    notices.c.agency, notices.c.notice, notices.c.unique_key,
    where=notices.c.unique_key.is_not(None),
    unique=True,
)  # fmt: skip
_some("notices_caller", notices.c.caller, notices.c.seq, where=notices.c.caller.is_not(None))
_some("notices_of_all", notices.c.seq, where=notices.c.caller.is_(None))
_some("notices_dossier", notices.c.dossier, notices.c.seq, where=notices.c.dossier.is_not(None))

polls = Table(
    "polls",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("notice", Text, primary_key=True),
    Column("cursor", Text),  # after which notice the next page begins, in the agency's words
    Column("moved_at", Double),
    Column("due_at", Double, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("lease_node", Text),
    Column("lease_until", Double),
    Column("last_at", Double),
    Column("outcome", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("taken", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("agency", Text, primary_key=True),
    Column("seq", _number, nullable=False),
    Column("moved_at", Double, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("upload", Text, primary_key=True),  # under which its parts are kept
    Column("sha256", Text),  # its id; null: not whole yet
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("begun_at", Double, nullable=False),
)
_some("files_content", files.c.sha256, where=files.c.sha256.is_not(None), unique=True)
_some("files_unfinished", files.c.begun_at, where=files.c.sha256.is_(None))

file_parts = Table(
    "file_parts",
    metadata,
    Column("upload", Text, primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
)

file_holders = Table(  # who may read a file: a caller, or an agency for all callers whose key names it
    "file_holders",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("holder", Text, primary_key=True),
    Column("held_at", Double, nullable=False),
)
Index("file_holders_old", file_holders.c.held_at)

callers = Table(
    "callers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key_digest", Text, nullable=False, unique=True),
    Column("allowed", Text, nullable=False),  # names joined by a space: `police npsp.file_dossier`, or `*`
    Column("top_class", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("added_at", Double, nullable=False),
    Column("calls_per_minute", Integer, nullable=False, server_default=text("6000")),  # callers older than quotas
)

officers = Table(
    "officers",
    metadata,
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("officer", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("valid_from", Text, nullable=False),  # yyyy-mm-dd, first day
    Column("valid_to", Text, nullable=False),  # yyyy-mm-dd, last day; empty: open
    Column("agency", Text, nullable=False),  # empty: the line only registers the officer in the unit
    Column("account", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=text("''")),  # under which the agency has the account
)

units = Table(
    "units",
    metadata,
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("unit", Text, nullable=False),
    Column("valid_from", Text, nullable=False),
    Column("valid_to", Text, nullable=False),
    Column("agency", Text, nullable=False),
    Column("code", Text, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("scope", Text, primary_key=True),  # an agency, route/<name>, or * for everything
    Column("kind", Text, primary_key=True),  # hold, limits, retries
    Column("given_by", Text, nullable=False),
    Column("given_at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", Double),  # null: until it is taken back
    Column("calls_at_once", Integer),
    Column("calls_per_second", Double),
)

nodes = Table(
    "nodes",
    metadata,
    Column("node", Text, primary_key=True),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("reaches", Boolean, nullable=False, server_default=text("false")),  # whether it reaches the coordination
    Column("version", Text, nullable=False, server_default=""),
    Column("members", Text, nullable=False, server_default=""),  # with whom it shares while each keeps to its share
)

waiting = Table(  # durable calls that wait, counted by each node for itself: only the sum over nodes says how many
    "waiting",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("calls", Integer, nullable=False),
    sqlite_with_rowid=False,
)

quota_days = Table(
    "quota_days",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("node", Text, primary_key=True),  # each counts in a row of its own, so that none waits for another
    Column("sent", Integer, nullable=False),
    sqlite_with_rowid=False,
)

journal = Table(
    "journal",
    metadata,
    Column("chain", Text, primary_key=True),  # each node writes one of its own
    Column("seq", BigInteger, primary_key=True),
    Column("at", Double, nullable=False),
    Column("event", Text, nullable=False),
    Column("call", Text),
    Column("caller", Text),
    Column("officer", Text),
    Column("unit", Text),
    Column("agency", Text),
    Column("operation", Text),
    Column("purpose", Text),
    Column("detail", Text),
    Column("hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
# Not by call: it would cost every call twice, and whoever reads the journal reads it in order.
DECIDED = "decided"
"""Event of a person's decision about a call, the only entries that are looked up by call."""
_some("journal_decided", journal.c.call, where=journal.c.event == fixed(DECIDED))

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("caller", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("agencies", Text, nullable=False),  # names joined by a space; empty: all that the caller's key reaches
    Column("dossier", Text),
    Column("made_at", Double, nullable=False),
    Column("seq", BigInteger, nullable=False),  # up to here everything was delivered, or died
    Column("attempts", Integer, nullable=False),
    Column("failing_since", Double),
    Column("due_at", Double, nullable=False),
    Column("cause", Text, nullable=False),
    Column("stopped", Boolean, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("node", Text),  # who pushes it, and until when nobody else may
    Column("lease_until", Double, nullable=False),
    postgresql_with={"fillfactor": 60},
)

dead_events = Table(
    "dead_events",
    metadata,
    Column("subscription", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("agency", Text, nullable=False),
    Column("notice", Text, nullable=False),
    Column("call", Text),
    Column("died_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("again", Boolean, nullable=False),
)
dead_notices = Table(
    "dead_notices",
    metadata,
    Column("seq", _number, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("agency", Text, nullable=False),
    Column("notice", Text, nullable=False),  # empty where not even that could be read
    Column("cause", Text, nullable=False),
    Column("came_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),  # when the same came again
    Column("times", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("headers", Text, nullable=False),  # JSON; what proves who sent it is left out
    Column("query", Text, nullable=False),
    Column("faults", Text, nullable=False),  # JSON list of place and rule
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("dead_notices_agency", dead_notices.c.agency, dead_notices.c.seq)
Index("dead_notices_size", dead_notices.c.agency, dead_notices.c.size)
Index("dead_notices_same", dead_notices.c.agency, dead_notices.c.notice, dead_notices.c.digest, unique=True)

published = Table(
    "published",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("question", Text, primary_key=True),
    Column("caller", Text, nullable=False),
    Column("published_at", Double, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
)

handouts = Table(  # items of a published list, each of which answers one asker for good
    "handouts",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("question", Text, primary_key=True),
    Column("item", Text, primary_key=True),  # JSON
    Column("place", Integer, nullable=False),
    Column("unique_key", Text),  # null: nobody has it yet
    Column("handed_at", Double),
)
_some("handouts_left", handouts.c.agency, handouts.c.question, handouts.c.place, where=handouts.c.unique_key.is_(None))
_some(
    "handouts_unique",
    handouts.c.agency, handouts.c.question, handouts.c.unique_key,
    where=handouts.c.unique_key.is_not(None),
    unique=True,
)  # fmt: skip

dossiers = Table(  # how each agency handles each dossier that was moved to it: counts outlive calls and notices
    "dossiers",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("dossier", Text, primary_key=True),
    Column("procedure", Text, nullable=False),
    Column("call", Text, nullable=False),  # the newest filing of it
    Column("received_at", Double, nullable=False),
    Column("forwarded_at", Double),
    Column("due_at", Double),
    Column("due_said_at", Double, nullable=False),  # what was said before is not said again
    Column("ended_at", Double),
    Column("ending", Text),  # result, no_result, sent_back, withdrawn
)
Index("dossiers_call", dossiers.c.call)
Index("dossiers_received", dossiers.c.received_at)
_some("dossiers_forwarded", dossiers.c.forwarded_at, where=dossiers.c.forwarded_at.is_not(None))
_some("dossiers_ended", dossiers.c.ended_at, where=dossiers.c.ended_at.is_not(None))
_some("dossiers_open", dossiers.c.due_at, where=dossiers.c.ended_at.is_(None))

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("agency", Text, nullable=False),
    Column("day", Text, nullable=False),  # yyyy-mm-dd
    Column("operation", Text, nullable=False),  # empty: all
    Column("files", Boolean, nullable=False),
    Column("wanted_by", Text, nullable=False),
    Column("wanted_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("lease_node", Text),
    Column("lease_until", Double),
    Column("place", Text, nullable=False),  # id of the last call that was compared
    Column("counts", Text, nullable=False),  # JSON: calls by operation and verdict
    Column("ended_at", Double),
    Column("outcome", Text, nullable=False),
    Column("cause", Text, nullable=False),
)

reconciled = Table(
    "reconciled",
    metadata,
    Column("run", Text, primary_key=True),
    Column("call", Text, primary_key=True),
    Column("operation", Text, nullable=False),
    Column("dossier", Text),
    Column("verdict", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("fields", Text, nullable=False),  # JSON list of field, ours, theirs: states and codes only
    Column("filed", Text),
)
