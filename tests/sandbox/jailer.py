"""Start the tests' engine in the outer jail, as whoever runs this: ``python jailer.py PACKAGES``, an order on stdin."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from mograder.sandbox import cgroups, identities, interpreters
from mograder.sandbox.jail import Jail, JailPlan

SLOT = 7


def main() -> None:
    order = json.load(sys.stdin)
    users = identities.choose()
    tree = cgroups.find() if order.pop("use_cgroups") else None
    shown = {str(path) for path in interpreters.own()} | set(order["show"])
    order |= {"read_only": sorted(shown - set(order["show"])), "cgroups": None, "umask": users.umask}
    identity = users.inside(SLOT)
    order["identity"] = None if identity.uid is None else [identity.uid, identity.gid]
    for place in (order["workspace_outside"], order["peer_outside"]):
        os.chmod(place, users.workspace_mode)
        if owner := users.owner(SLOT):
            os.chown(place, *owner)
    writable = [(Path(order["root"]), "/workspaces")]
    if tree:
        tree.give(users.engine_uid, users.engine_gid)
        writable += tree.binds("/run/cgroups")
        moved = tree.moved("/run/cgroups")
        order["cgroups"] = {
            "means": moved.means,
            "base": {name: str(path) for name, path in moved.base.items()},
        }
    plan = JailPlan(
        identities=users,
        read_only=tuple((Path(path), path) for path in sorted(shown)),
        writable=tuple(writable),
    )
    order["python"] = sys.executable
    reader, writer = os.pipe()
    program = f"import os; os.dup2({reader}, 0); exec(open({order['engine']!r}).read())"
    jail = Jail.start(
        plan,
        [sys.executable, "-I", "-c", program, sys.argv[1]],
        output=1,
        descriptors=[reader],
    )
    os.close(reader)
    with os.fdopen(writer, "w") as orders:
        json.dump(order, orders)
    with open(f"/proc/{jail.init_pid}/cgroup") as lines:
        groups = [line.strip() for line in lines if "mograder-" in line and line.endswith("/engine\n")]
    jail.wait()
    jail.stop()
    left = (
        [str(base) for base in set(tree.base.values()) if base.exists()] if tree and not tree.remove() else []
    )
    means = tree.means if tree else None
    print(
        json.dumps({"identities": users.how, "means": means, "engine_groups": groups, "left": left}),
        flush=True,
    )


if __name__ == "__main__":
    main()
