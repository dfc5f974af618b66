"""The newest figures of each instance: reported, measured here, and heard of by other servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tekton.core.ids import new_uuid
from tekton_server.domain.usage import Usage
from tekton_server.live.resources.book import UsageBook
from tekton_server.storage.usage import Told

NOON = datetime(2025, 5, 15, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    """A time."""
    return NOON + timedelta(seconds=second)


def test_what_another_server_heard_is_beside_what_was_measured_here() -> None:
    """Whichever came last: a launched instance may report to any server, and is measured by one."""
    book, one = UsageBook(), new_uuid()
    book.measure(one, Usage(rss_bytes=10.0), at(10), store=True)
    told = Told(one, at(9), Usage(rss_bytes=1.0, sent_bytes=5.0))
    assert book.heard(told) and not book.heard(told), "the same is no news"
    known = book.get(one)
    assert known is not None and (known.at, known.source) == (at(10), "both")
    assert known.usage == Usage(rss_bytes=10.0, sent_bytes=5.0)
    assert not book.heard(told._replace(at=at(8))), "an older word changes nothing"
    book.report(one, Usage(sent_bytes=7.0), at(12))
    assert not book.heard(told._replace(at=at(11)))


def test_what_is_stored_by_another_server_does_not_hide_what_was_measured_here() -> None:
    """It is newer, and yet nobody's own word goes before what was measured."""
    book, one, two = UsageBook(), new_uuid(), new_uuid()
    book.measure(one, Usage(rss_bytes=10.0), at(10), store=True)
    told = Told(one, at(11), Usage(rss_bytes=1.0, sent_bytes=5.0))
    assert book.beside(told).usage == Usage(rss_bytes=10.0, sent_bytes=5.0)
    assert book.beside(told._replace(instance_uuid=two)).usage == told.usage
