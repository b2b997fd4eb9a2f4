"""Release rows: what is said about releases as rows of their tables, after the scrubber. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pipeline.errors import Refused
from pipeline.payload import normalize
from pipeline.payload.identity import user_hash
from pipeline.records.record import Origin, Record
from pipeline.scrub import Scrubber
from pipeline.tables.contracts import Decoder
from pipeline.tables.rows import LONGEST_TEXT, Row
from schemas.event import User
from schemas.release import ReleaseChange

RELEASE_CHANGES_TABLE = "release_changes"
RELEASE_COMMITS_TABLE = "release_commits"
RELEASE_REFS_TABLE = "release_refs"
RELEASE_TABLES = (RELEASE_CHANGES_TABLE, RELEASE_COMMITS_TABLE, RELEASE_REFS_TABLE)

RELEASE_CHANGE_COLUMNS = (
    "project",
    "release",
    "kind",
    "at",
    "url",
    "environment",
    "name",
    "deploy_began",
    "received",
    "kafka_partition",
    "kafka_offset",
)
RELEASE_COMMIT_COLUMNS = (
    "project",
    "release",
    "said_at",
    "position",
    "commit",
    "repository",
    "message",
    "author",
    "user_hash",
    "committed_at",
    "files",
    "kafka_partition",
    "kafka_offset",
)
RELEASE_REF_COLUMNS = (
    "project",
    "release",
    "said_at",
    "repository",
    "commit",
    "previous_commit",
    "kafka_partition",
    "kafka_offset",
)
MOST_FILES = 1000


class _Texts(msgspec.Struct):
    """What people write about a release."""

    url: str
    messages: list[str]


_DECODER = Decoder(ReleaseChange, "release-change.schema.json")
_TEXTS = msgspec.json.Decoder(_Texts)
_encode = msgspec.json.Encoder().encode


class ReleaseRows:
    """Makes rows of messages of the topic ``releases``.

    Args:
        scrubber: replaces personal data and secrets.
        hash_key: the key of :func:`pipeline.payload.identity.user_hash`.
    """

    def __init__(self, scrubber: Scrubber, hash_key: bytes) -> None:
        self._scrubber = scrubber
        self._hash_key = hash_key

    def __call__(self, record: Record, origin: Origin) -> Iterator[tuple[str, Row]]:
        """Yield a message's rows, each with its table.

        Raises:
            Refused: it is not in the contract's form, or could not be scrubbed to its end.
        """
        if record.value is None:
            # A tombstone: nothing is left to be said.
            return
        change, _ = _DECODER.decode(record.value)
        project, release = normalize.text(change.project), normalize.text(change.release)
        if not project or not release:
            raise Refused("rows", "project or release is empty: name both")
        texts = self._scrubbed(change, project)
        about = (project, release)
        at_ms = normalize.milliseconds(change.time)
        where = (origin.partition, origin.offset)
        if change.kind == "commits":
            yield from self._commits(change, texts.messages, about, where)
        elif change.kind == "refs":
            for ref in change.refs:
                names = (ref.repository, ref.commit, ref.previous_commit)
                yield RELEASE_REFS_TABLE, (*about, at_ms, *map(normalize.text, names), *where)
        else:
            deploy = change.deploy
            yield (
                RELEASE_CHANGES_TABLE,
                (
                    *about,
                    change.kind,
                    at_ms,
                    normalize.text(texts.url, LONGEST_TEXT),
                    normalize.text(deploy.environment) if deploy else "",
                    normalize.text(deploy.name) if deploy else "",
                    normalize.milliseconds(deploy.started) if deploy else None,
                    origin.received_ms,
                    *where,
                ),
            )

    def _commits(
        self, change: ReleaseChange, messages: list[str], about: tuple[str, str], where: tuple[int, int]
    ) -> Iterator[tuple[str, Row]]:
        for position, (commit, message) in enumerate(zip(change.commits, messages, strict=True), change.first):
            author = User(email=commit.author_email or None, username=commit.author_name or None)
            yield (
                RELEASE_COMMITS_TABLE,
                (
                    *about,
                    normalize.milliseconds(change.time),
                    position,
                    normalize.text(commit.id),
                    normalize.text(commit.repository),
                    normalize.text(message, LONGEST_TEXT),
                    "" if "@" in commit.author_name else normalize.text(commit.author_name),
                    user_hash(author, about[0], self._hash_key),
                    normalize.milliseconds(commit.timestamp or None),
                    [normalize.text(file, 1000) for file in commit.files[:MOST_FILES]],
                    *where,
                ),
            )

    def _scrubbed(self, change: ReleaseChange, project: str) -> _Texts:
        url = change.deploy.url if change.deploy else change.url
        texts = _encode(_Texts(url, [commit.message for commit in change.commits]))
        return _TEXTS.decode(self._scrubber.scrub(texts, project).payload)
