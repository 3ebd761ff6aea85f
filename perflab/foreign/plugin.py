"""The plugin that asv loads when it publishes another project: our pages, offline.

Rule: hands over to the site, by the rules of the project.
"""

from __future__ import annotations

from typing import Any

from perflab.foreign.publish import SETTING, rules_of
from perflab.site.build import publish_front
from perflab.site.offline import register

__all__ = ["setup"]


def setup() -> None:
    """Called by asv when it loads this module as a plugin."""

    def front(conf: Any, repo: Any) -> None:
        publish_front(conf, repo, rules_of(getattr(conf, SETTING)))

    register(front)
