"""What an engine is told when it starts, as JSON on its command line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mograder.sandbox.cgroups import Tree
from mograder.sandbox.identities import Identities


@dataclass(frozen=True, kw_only=True)
class EnginePlan:
    """``hub_uid`` is the hub's user as the jail numbers it: nobody else may give orders."""

    hub_uid: int
    identities: Identities
    tree: Tree | None = None

    def dumps(self) -> str:
        """As one line of JSON."""
        tree = None
        if self.tree is not None:
            tree = {
                "means": self.tree.means,
                "base": {name: str(path) for name, path in self.tree.base.items()},
            }
        return json.dumps({"hub_uid": self.hub_uid, "identities": asdict(self.identities), "tree": tree})

    @classmethod
    def loads(cls, text: str) -> EnginePlan:
        """The plan that `dumps` wrote."""
        data: dict[str, Any] = json.loads(text)
        tree = data["tree"]
        if tree is not None:
            base = {name: Path(path) for name, path in tree["base"].items()}
            tree = Tree(means=tree["means"], base=base)
        return cls(hub_uid=data["hub_uid"], identities=Identities(**data["identities"]), tree=tree)
