"""The watch of resources: what is too much now, then what gets too much, and the figures where they are wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

from tekton.core.view import Component
from tekton.v1 import resource_service_pb2 as pb
from tekton_server.domain.alarms import Alarm
from tekton_server.domain.usage import total
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.resources.feed import News
from tekton_server.services import convert, figures
from tekton_server.services.base import now
from tekton_server.services.selector import Selector

KEEP_ALIVE = 15.0
# How many components one message tells of: five hundred are some ten kilobytes, and as JSON two hundred.
PART = 500


class ResourceEvents:
    """Makes the messages of watches."""

    def __init__(self, live: LiveRegistry) -> None:
        self._live = live
        self._resources = live.resources

    async def messages(self, selector: Selector, *, all_figures: bool) -> AsyncIterator[pb.ResourceEvent | None]:
        """Watch what gets too much, and all figures where they are wanted; None is a pause without any news."""
        with self._resources.feed.watch(selector.wants, figures=all_figures) as watcher:
            for message in self._present(selector, all_figures=all_figures):
                yield message
            while not watcher.ended:
                news = await watcher.next(KEEP_ALIVE)
                if news is None:
                    yield None
                else:
                    for message in self._told(news):
                        yield message

    def _present(self, selector: Selector, *, all_figures: bool) -> Iterator[pb.ResourceEvent]:
        """Say what is too much now; nothing can happen between this and the first news, for nothing is awaited."""
        standing = [one for one in self._resources.alarms if self._wanted(one, selector)]
        yield _event("present", alarms=map(figures.alarm, standing))
        if all_figures:
            yield from self._machines()
            wanted = [one for one in self._live.view.all() if selector.wants(one.definition)]
            yield from self._components(map(self._component, wanted))
            yield _event("complete")

    def _wanted(self, alarm: Alarm, selector: Selector) -> bool:
        if not alarm.component_id:
            return True
        component = self._live.view.get(alarm.component_id)
        return component is not None and selector.wants(component.definition)

    def _told(self, news: News) -> Iterator[pb.ResourceEvent]:
        for one in news.happened:
            yield _event(figures.event_name(one), alarm=figures.alarm(one.alarm))
        if news.machines:
            yield from self._machines()
        yield from self._components(map(self._of_key, news.components))

    def _machines(self) -> Iterator[pb.ResourceEvent]:
        machines = self._resources.machines
        own = machines.current
        if own is not None:
            owners = self._resources.owners()
            yield _event("system", system=figures.system(own, owners, machines.others))

    def _components(self, rows: Iterable[pb.ComponentFigures]) -> Iterator[pb.ResourceEvent]:
        found = list(rows)
        for start in range(0, len(found), PART):
            yield _event("components", components=found[start : start + PART])

    def _of_key(self, key: str) -> pb.ComponentFigures:
        component = self._live.view.get(key)
        return pb.ComponentFigures(component_id=key, removed=True) if component is None else self._component(component)

    def _component(self, component: Component) -> pb.ComponentFigures:
        best = component.best
        counted = self._resources.counted(component)
        known = [found for one in counted if (found := self._resources.book.get(one)) is not None]
        return pb.ComponentFigures(
            component_id=component.definition.component_id,
            component_type=component.definition.component_type,
            status=convert.STATES[component.status],
            status_since=convert.timestamp(best.state_since) if best else None,
            instances=len(counted),
            usage=figures.usage(total(one.usage for one in known)) if known else None,
            timestamp=convert.timestamp(max(one.at for one in known)) if known else None,
        )


def quiet() -> pb.ResourceEvent:
    """Say that nothing has happened for a while: who hears nothing at all takes the stream for dead."""
    return _event("quiet")


def _event(
    name: str,
    *,
    alarm: pb.ResourceAlarm | None = None,
    alarms: Iterable[pb.ResourceAlarm] = (),
    system: pb.SystemResources | None = None,
    components: Iterable[pb.ComponentFigures] = (),
) -> pb.ResourceEvent:
    return pb.ResourceEvent(
        event=name,
        timestamp=convert.timestamp(now()),
        alarm=alarm,
        alarms=alarms,
        system=system,
        components=components,
    )
