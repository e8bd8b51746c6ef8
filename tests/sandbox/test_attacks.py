"""62 attacks from inside, against every kind of sandbox that the product makes, and once against none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks import inside
from tests.sandbox.world import Outcome, World

pytestmark = pytest.mark.real

RUN = ["run", "@/opt/facts.json"]

SANDBOXES: dict[str, Callable[[World], Outcome]] = {
    "a fork that joined, as root's student": lambda world: world.jailed(RUN, "fork", as_user="root"),
    "a fresh Python, as root's student": lambda world: world.jailed(RUN, "fresh", as_user="root"),
    "a fork that joined, with subordinate users": lambda world: world.jailed(RUN, "fork", as_user="subuid"),
    "a fork that joined, as the hub's own user": lambda world: world.jailed(RUN, "fork", as_user="shared"),
    "a fork that joined, without a jail": lambda world: world.unprivileged(RUN, "fork"),
    "a fresh Python, without a jail": lambda world: world.unprivileged(RUN, "fresh"),
}

# What the namespaces alone would not hold: the system call filter does.
HELD_BY_THE_FILTER = {
    "leave_a_set_user_id_file",
    "read_a_keyring",
    "open_an_unusual_socket",
    "trace_a_sibling",
    "trace_process_one",
    "read_the_memory_of_a_process",
    "take_a_descriptor_of_another_process",
    "gain_from_the_memory_of_process_one",
    "ask_an_inherited_socket_for_interfaces",
    "regain_a_capability",  # that is: the filter's absence shows in /proc/self/status
    "call_the_kernel_as_a_32_bit_program",
    "call_what_a_notebook_never_needs",
}

# What an ordinary user's process can do without any sandbox.
POSSIBLE_WITHOUT_A_SANDBOX = {
    "leave_a_set_user_id_file",
    "read_a_keyring",
    "open_an_unusual_socket",
    "trace_a_sibling",
    "call_the_kernel_as_a_32_bit_program",
    "call_what_a_notebook_never_needs",
    "read_the_files_of_another_student",
    "read_a_file_of_the_hub",
    "look_around_on_the_host",
    "read_a_secret_from_an_environment",
    "search_own_memory_for_the_secret",
    "reach_the_hub_over_tcp",
    "reach_an_abstract_socket",
    "reach_a_socket_by_its_path",
    "replace_a_listening_socket",
    "find_an_interface",
    "see_a_process_of_the_host",
    "read_the_memory_of_a_process",
    "make_a_namespace",
    "dump_core_into_the_hosts_handler",
    "leave_the_control_group",
    "make_a_sandbox_inside",
}


@pytest.mark.parametrize("kind", SANDBOXES)
def test_every_attack_is_contained(world: World, kind: str) -> None:
    outcome = SANDBOXES[kind](world)
    results = outcome.results()
    assert [result["name"] for result in results] == [name for name, _, _ in inside.ATTACKS]
    assert {result["name"]: result["detail"] for result in results if result["contained"] is not True} == {}
    assert outcome.verdict["ended"] == "by itself"
    assert outcome.verdict["peer_alive"]
    assert outcome.verdict["gone"]


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_every_attack_is_contained_in_a_fork_of_a_newer_python(world: World, version: str) -> None:
    beside = Path(sys.base_prefix).resolve().parent.glob(f"*{version}*/bin/python{version}")
    python = next(beside, None)
    if python is None:
        pytest.skip(f"no Python {version} beside ours")
    results = world.jailed(RUN, "fork", as_user="root", jailer_python=str(python)).results()
    assert len(results) == len(inside.ATTACKS)
    assert {result["name"]: result["detail"] for result in results if result["contained"] is not True} == {}


def test_the_attacks_succeed_where_there_is_no_sandbox(world: World) -> None:
    results = world.unconfined(["run"]).results()
    succeeded = {result["name"] for result in results if result["contained"] is False}
    assert succeeded >= POSSIBLE_WITHOUT_A_SANDBOX


def test_the_attacks_that_only_the_filter_holds_succeed_without_it(world: World) -> None:
    results = world.unprivileged(RUN, "fork", filter=False).results()
    assert {result["name"] for result in results if result["contained"] is False} == HELD_BY_THE_FILTER
