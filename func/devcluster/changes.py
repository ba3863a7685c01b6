"""What a watcher of some objects sees of a write: pure functions.

Source: https://github.com/kubernetes/apiserver/blob/v0.35.4/pkg/storage/cacher/cache_watcher.go (convertToWatchEvent)
"""

from __future__ import annotations

from dataclasses import dataclass

from func.devcluster.label_selectors import EVERYTHING, Selector
from func.devcluster.store import Event, Stored


@dataclass(frozen=True)
class View:
    """The objects that somebody watches: those selected, in one namespace or (empty) in all."""

    namespace: str = ""
    selector: Selector = EVERYTHING

    def shows(self, stored: Stored | None) -> bool:
        """Whether an object is among them."""
        if stored is None or (self.namespace and stored.namespace != self.namespace):
            return False
        return stored.selected(self.selector)


def seen(event: Event, view: View) -> tuple[str, Stored] | None:
    """The type of the watch event and its object, None where the write is out of view.

    An object that comes into view is ADDED; one that leaves it is DELETED, as it was but at the version of the write.
    """
    before, after = view.shows(event.old), view.shows(event.new)
    if after and event.new:
        return ("MODIFIED" if before else "ADDED"), event.new
    if before and event.old:
        return "DELETED", event.gone or Stored.at(event.resource, event.old.document, event.version)
    return None
