"""Attacks on a sandbox from inside of it; standard library only: import it, run it, or paste it into a cell.

``run(facts)`` tries every attack and tells of each whether it was contained. ``facts`` is what a student could learn or
guess, and what recognises a leak:

    hub_port, hub_abstract, hub_socket     where the hub listens (TCP, abstract unix socket, unix socket path)
    peer_socket, peer_directory            another session's server, another student's workspace
    secret_file, secret_reversed           a file of the hub's; the secret in it and in the hub's memory, backwards
    hub_pid, read_only, workspace          a pid; paths that must not be writable; where the notebook lies

The secret is known backwards only, so that finding it forwards proves a leak. Each attack runs in a forked child with a
time limit; death by a signal counts as contained (a system call filter may kill).

``bomb(name)`` runs one attack on resources; what it did to the machine is for the other side to judge.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import json
import mmap
import os
import platform
import re
import resource
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import sysconfig
import time

LIBC = ctypes.CDLL(None, use_errno=True)
FACTS = {}
ATTACKS = []
BOMBS = {}
TIME_LIMIT = 15

# name, number on x86_64, number on aarch64; -1 where there is no such call
CALLS = """
getpid 39 172; socket 41 198; clone 56 220; clone3 435 435; unshare 272 97; setns 308 268; ptrace 101 117;
process_vm_readv 310 270; process_vm_writev 311 271; pidfd_getfd 438 438; kcmp 312 272; keyctl 250 219; add_key
248 217; request_key 249 218; mount 165 40; umount2 166 39; pivot_root 155 41; chroot 161 51; fsopen 430 430;
open_tree 428 428; move_mount 429 429; mount_setattr 442 442; linkat 265 37; name_to_handle_at 303 264;
open_by_handle_at 304 265; bpf 321 280; perf_event_open 298 241; userfaultfd 323 282; io_uring_setup 425 425;
kexec_load 246 104; init_module 175 105; finit_module 313 273; reboot 169 142; swapon 167 224; acct 163 89;
quotactl 179 60; iopl 172 -1; ioperm 173 -1; settimeofday 164 170; clock_settime 227 112; adjtimex 159 171;
sethostname 170 161; syslog 103 116; fanotify_init 300 262; memfd_secret 447 447; modify_ldt 154 -1; vmsplice
278 75; lookup_dcookie 212 18; process_madvise 440 440; personality 135 92; move_pages 279 239; shmget 29 194
"""
INTEL = platform.machine() == "x86_64"


def attack(category):
    def register(function):
        ATTACKS.append((function.__name__, category, function))
        return function

    return register


def bomb_of_its_own(function):
    BOMBS[function.__name__] = function
    return function


def call(name, *arguments):
    """A system call past every library: (result, errno name). A call that this machine lacks counts as refused."""
    row = next(row.split() for row in CALLS.split(";") if row.split()[0] == name)
    number = int(row[1 if INTEL else 2])
    return (-1, "ENOSYS") if number < 0 else raw(number, *arguments)


def raw(number, *arguments):
    wide = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *wide)
    if result >= 0:
        return result, ""
    return -1, errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))


def refused(function, *arguments):
    """(True, why) when the call fails, (False, what it gave) when it does not."""
    try:
        result = function(*arguments)
    except (OSError, ValueError, AttributeError) as error:
        return True, "{}: {}".format(type(error).__name__, getattr(error, "strerror", None) or error)
    return False, f"succeeded: {result!r}"


def all_refused(*tries):
    return all(done for done, _ in tries), [why for _, why in tries]


def write_to(path, content):
    descriptor = os.open(path, os.O_WRONLY)
    try:
        return os.write(descriptor, content)
    finally:
        os.close(descriptor)


def secret_in(content):
    """Is the secret in these bytes? The pattern never holds it forwards itself, so that our own memory does not."""
    pattern = b"".join(
        re.escape(b"%c" % byte).join((b"[", b"]")) for byte in reversed(FACTS["secret_reversed"].encode())
    )
    return re.search(pattern, content) is not None


def at_work(name):
    return os.path.join(FACTS["workspace"], name)


def status_fields(pid="self"):
    with open(f"/proc/{pid}/status") as lines:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def no_powers(fields):
    sets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    return all(int(fields[name], 16) == 0 for name in sets) and (fields["NoNewPrivs"], fields["Seccomp"]) == (
        "1",
        "2",
    )


# ------------------------------------------------------------------------------------------------------------- files


@attack("files")
def read_the_files_of_another_student():
    roots = (
        "",
        "/proc/1/root",
        "/proc/self/root",
        "/proc/self/cwd/../../..",
        "/proc/1/cwd",
        "/oldroot",
        "/newroot",
    )
    seen = [root for root in roots if os.path.exists(root + FACTS["peer_directory"])]
    return not seen, seen


@attack("files")
def read_a_file_of_the_hub():
    tries = [
        refused(lambda r=root: os.close(os.open(r + FACTS["secret_file"], os.O_RDONLY)))
        for root in ("", "/proc/1/root", "/proc/self/root")
    ]
    return all_refused(*tries)


@attack("files")
def look_around_on_the_host():
    host = (
        "/root/.bashrc",
        "/var/lib",
        "/srv",
        "/boot",
        "/sys/kernel",
        "/run/systemd",
        "/etc/shadow",
        "/etc/ssh",
        "/etc/pip.conf",
    )
    seen = [path for path in (*host, "/mnt", "/media", "/var/log") if os.path.exists(path)]
    return not seen, seen


@attack("files")
def climb_out_of_the_workspace():
    top, climbed = os.stat("/"), os.stat(FACTS["workspace"] + "/" + "../" * 60)
    return (top.st_dev, top.st_ino) == (climbed.st_dev, climbed.st_ino) and not os.path.exists(
        "/" + "../" * 20 + "boot"
    ), ""


@attack("files")
def write_to_what_all_share():
    opened = []
    for path in [*FACTS["read_only"], "/usr", "/usr/bin", "/usr/local", "/etc", "/", "/dev", "/bin", "/lib"]:
        if os.path.isdir(path) and not refused(lambda p=path: open(p + "/.planted", "w").close())[0]:
            opened.append(path)
    return not opened, opened


@attack("files")
def plant_code_in_the_environment():
    paths = sysconfig.get_paths()
    opened = []
    for path in {paths["purelib"], paths["stdlib"], os.path.dirname(json.__file__) + "/__pycache__"}:
        for name in ("evil.pth", "sitecustomize.py"):
            if not refused(lambda p=path, n=name: open(os.path.join(p, n), "w").close())[0]:
                opened.append(path)
    return not opened, opened


@attack("files")
def write_to_the_interpreter_through_proc():
    tries = []
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
        try:
            os.close(os.open("/proc/self/exe", flags))
            return False, "opened"
        except OSError as error:
            tries.append(errno.errorcode[error.errno])
    # ETXTBSY would mean: allowed, were it not running just now.
    return "ETXTBSY" not in tries, tries


@attack("files")
def change_the_interpreter_through_proc():
    exe = "/proc/self/exe"
    return all_refused(
        refused(os.chmod, exe, 0o777),
        refused(os.utime, exe),
        refused(os.setxattr, exe, "user.x", b"y"),
        refused(os.truncate, exe, 0),
    )


@attack("files")
def open_a_mapped_file_for_writing():
    return refused(
        lambda: os.open("/proc/self/map_files/" + os.listdir("/proc/self/map_files")[0], os.O_RDWR)
    )


@attack("files")
def link_a_shared_file_into_the_workspace():
    tries = [
        refused(os.link, source, at_work("linked"))
        for source in ("/usr/bin/su", sys.executable, "/etc/passwd")
    ]
    descriptor = os.open("/usr/bin/env", os.O_RDONLY)
    result, why = call(
        "linkat", -100, b"/proc/self/fd/%d" % descriptor, -100, at_work("linked2").encode(), 0x400
    )
    return all_refused(*tries, (result < 0, why))


@attack("files")
def make_a_device():
    return all_refused(
        refused(os.mknod, at_work("disk"), 0o666 | stat.S_IFBLK, os.makedev(254, 0)),
        refused(os.mknod, at_work("mem"), 0o666 | stat.S_IFCHR, os.makedev(1, 1)),
    )


@attack("files")
def find_a_raw_device():
    names = [
        "vda",
        "sda",
        "mem",
        "kmem",
        "kmsg",
        "kvm",
        "fuse",
        "net/tun",
        "loop0",
        "vsock",
        "port",
        "nvidia0",
        "vhost-net",
    ]
    seen = [name for name in names if os.path.exists("/dev/" + name)]
    return not seen, seen


@attack("files")
def leave_a_set_user_id_file():
    path, other = at_work("suid"), at_work("suid2")
    open(path, "w").close()
    tries = [
        refused(os.chmod, path, 0o4755),
        refused(lambda: os.open(other, os.O_CREAT | os.O_WRONLY, 0o6755)),
    ]
    made = [name for name in (path, other) if os.path.exists(name) and os.stat(name).st_mode & 0o6000]
    return not made, [why for _, why in tries]


@attack("files")
def run_a_set_user_id_program():
    programs = [
        path for path in glob.glob("/usr/bin/*") if os.path.isfile(path) and os.stat(path).st_mode & 0o4000
    ]
    done = subprocess.run(["/usr/bin/mount", "-t", "tmpfs", "x", "/tmp"], capture_output=True, text=True)
    user = subprocess.run(
        ["/bin/su", "-c", "id -u"], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    gained = done.returncode == 0 or user.returncode == 0
    return not gained, f"{len(programs)} set-user-id programs; mount said {done.stderr.strip()[:60]}"


@attack("files")
def give_a_file_attributes_of_the_host():
    descriptor = os.open(at_work("attributes"), os.O_CREAT | os.O_RDWR, 0o600)
    immutable = struct.pack("l", 0x10)
    project = struct.pack("IIIII8s", 0, 0, 0, 7, 0, b"")
    capability = b"\x01\0\0\x02\xff\xff\xff\xff" + b"\0" * 12
    return all_refused(
        refused(fcntl.ioctl, descriptor, 0x40086602, immutable),
        refused(fcntl.ioctl, descriptor, 0x401C5820, project),
        refused(os.setxattr, at_work("attributes"), "security.capability", capability),
    )


@attack("files")
def open_a_file_by_its_handle():
    buffer = ctypes.create_string_buffer(200)
    named, why = call("name_to_handle_at", -100, b"/", buffer, ctypes.byref(ctypes.c_int()), 0)
    opened, why_not = call("open_by_handle_at", 3, buffer, 0)
    return named < 0 and opened < 0 and why_not in ("EPERM", "ENOSYS"), [why, why_not]


# ----------------------------------------------------------------------------------------------------------- secrets


def process_files(name):
    for path in glob.glob("/proc/[0-9]*/" + name):
        try:
            with open(path, "rb") as content:
                yield path, content.read()
        except OSError:
            continue


@attack("secrets")
def read_a_secret_from_an_environment():
    found = [path for path, content in process_files("environ") if secret_in(content) or b"SECRET" in content]
    if secret_in(json.dumps(dict(os.environ)).encode()):
        found.append("os.environ")
    return not found, found


@attack("secrets")
def read_a_secret_from_a_command_line():
    peer = FACTS["peer_directory"].encode()
    found = [
        (path, content[:100])
        for path, content in process_files("cmdline")
        if secret_in(content) or peer in content
    ]
    return not found, found


@attack("secrets")
def search_own_memory_for_the_secret():
    found, scanned = [], 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(bound, 16) for bound in span.split("-"))
            if rights[0] != "r" or "[v" in line or end - start > 1 << 30:
                continue
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            scanned += len(content)
            if secret_in(content):
                found.append(line.strip()[:80])
    return not found, f"{scanned >> 20} MB scanned {found}"


@attack("secrets")
def use_an_inherited_descriptor():
    """Only descriptors that the host made count: files outside of the sandbox, sockets that lead out of it."""
    suspicious = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        if target.startswith("/") and not os.path.exists(target) and "(deleted)" not in target:
            suspicious[name] = target  # a path that is not one of ours
        elif target.startswith(("anon_inode:[pidfd]", "user:", "mnt:", "net:", "pid:")):
            suspicious[name] = target
    return not suspicious, suspicious


@attack("secrets")
def read_or_cut_the_log_through_standard_output():
    links = [f"/proc/self/fd/{number}" for number in (0, 1, 2)] + glob.glob("/proc/1/fd/*")
    targets = {os.readlink(link) for link in links if os.path.lexists(link)}
    files = [
        t
        for t in targets
        if t.startswith("/") and t != "/dev/null" and not t.startswith(("/proc/", "/dev/pts/"))
    ]
    return not files, sorted(targets)


@attack("secrets")
def open_a_descriptor_of_process_one():
    opened = []
    for path in glob.glob("/proc/1/fd/*"):
        try:
            target = os.readlink(path)
            os.close(os.open(path, os.O_RDWR))
        except OSError:
            continue
        if target != "/dev/null" and not target.startswith(("pipe:", "anon_inode")):
            opened.append(target)
    return not opened, opened


@attack("secrets")
def learn_of_others_from_the_mount_table():
    with open("/proc/self/mountinfo") as table:
        text = table.read()
    return os.path.basename(FACTS["peer_directory"]) not in text, ""


@attack("secrets")
def share_writable_memory_with_another_session():
    with open("/proc/self/maps") as maps:
        shared = [line.strip() for line in maps if line.split()[1][3] == "s" and line.split()[1][1] == "w"]
    foreign = [
        line
        for line in shared
        if "/dev/shm/" not in line and FACTS["workspace"] not in line and "/dev/zero" not in line
    ]
    return not foreign, foreign


@attack("secrets")
def read_a_keyring():
    tries = (
        call("keyctl", 0, -3, 1),
        call("add_key", b"user", b"x", b"y", 1, -3),
        call("request_key", b"user", b"x", 0, 0),
    )
    try:
        with open("/proc/keys") as table:
            listed = table.read()
    except OSError:
        listed = ""
    return not listed and all(result < 0 for result, _ in tries), [listed[:80], *(why for _, why in tries)]


# ----------------------------------------------------------------------------------------------------------- network


@attack("network")
def reach_the_hub_over_tcp():
    return refused(socket.create_connection, ("127.0.0.1", FACTS["hub_port"]), 2)


@attack("network")
def reach_the_hub_over_tcp_6():
    return refused(socket.create_connection, ("::1", FACTS["hub_port"]), 2)


@attack("network")
def reach_an_abstract_socket():
    with socket.socket(socket.AF_UNIX) as one:
        return refused(one.connect, "\0" + FACTS["hub_abstract"])


@attack("network")
def reach_a_socket_by_its_path():
    others = ("/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/user/0/bus")
    tries = []
    for path in (FACTS["hub_socket"], FACTS["peer_socket"], *others):
        with socket.socket(socket.AF_UNIX) as one:
            tries.append(refused(one.connect, path))
    return all_refused(*tries)


@attack("network")
def replace_a_listening_socket():
    with open("/proc/net/unix") as table:
        paths = [line.split()[-1] for line in table.read().splitlines()[1:] if len(line.split()) > 7]
    reachable = [path for path in paths if path.startswith("/") and os.path.exists(path)]
    own = [p for p in reachable if p.startswith((FACTS["workspace"], "/tmp/", "/home/student"))]
    return reachable == own, reachable


@attack("network")
def send_something_outside():
    with open("/proc/net/route") as table:
        routes = table.read().splitlines()[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        done, why = refused(one.connect, ("192.0.2.1", 9))  # sends nothing by itself
    return not routes and done, [routes, why]


@attack("network")
def find_an_interface():
    with open("/proc/net/dev") as table:
        names = [line.split(":")[0].strip() for line in table.read().splitlines()[2:]]
    return names == ["lo"], names


@attack("network")
def resolve_a_name():
    return refused(socket.getaddrinfo, "example.com", 80)


@attack("network")
def open_an_unusual_socket():
    kinds = {
        "raw": (2, 3, 1),
        "raw6": (10, 3, 58),
        "packet": (17, 3, 0),
        "vsock": (40, 1, 0),
        "alg": (38, 5, 0),
    }
    kinds |= {"netfilter": (16, 3, 12), "audit": (16, 3, 9), "uevent": (16, 3, 15), "bluetooth": (31, 5, 0)}
    kinds |= {
        "can": (29, 3, 1),
        "xdp": (44, 3, 0),
        "tipc": (30, 1, 0),
        "rds": (21, 5, 0),
        "kcm": (41, 5, 0),
        "smc": (43, 1, 0),
    }
    tries = {name: call("socket", *words) for name, words in kinds.items()}
    return all(result < 0 for result, _ in tries.values()), {name: why for name, (_, why) in tries.items()}


def own_sockets():
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink("/proc/self/fd/" + name).startswith("socket:"):
                yield int(name)
        except OSError:
            continue


@attack("network")
def ask_an_inherited_socket_for_interfaces():
    buffer = ctypes.create_string_buffer(4096)
    seen = set()
    for descriptor in own_sockets():
        try:
            answer = fcntl.ioctl(descriptor, 0x8912, struct.pack("iL", 4096, ctypes.addressof(buffer)))
        except OSError:
            continue
        size = struct.unpack("iL", answer)[0]
        seen |= {buffer.raw[at : at + 16].split(b"\0")[0].decode() for at in range(0, size, 40)}
    return seen <= {"lo"}, sorted(seen)


@attack("network")
def connect_with_an_inherited_socket():
    tries = []
    for descriptor in own_sockets():
        with socket.socket(fileno=os.dup(descriptor)) as one:
            if one.family == socket.AF_UNIX:
                tries.append(refused(one.connect, "\0" + FACTS["hub_abstract"]))
                tries.append(refused(one.connect, FACTS["hub_socket"]))
    return all_refused(*tries)


@attack("network")
def change_a_setting_of_the_network():
    names = ("ipv4/ip_forward", "core/somaxconn", "ipv4/ip_unprivileged_port_start", "unix/max_dgram_qlen")
    return all_refused(
        *(refused(lambda n=name: os.close(os.open("/proc/sys/net/" + n, os.O_WRONLY))) for name in names)
    )


# --------------------------------------------------------------------------------------------------------- processes


@attack("processes")
def see_a_process_of_the_host():
    names = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/comm") as comm:
                    names[int(name)] = comm.read().strip()
            except OSError:
                continue
    expected = ("bwrap", "sleep", "sh", "python", "pt_main", "marimo", "mograder", "session")
    foreign = {pid: name for pid, name in names.items() if not name.startswith(expected)}
    return not foreign and len(names) < 16 and names.get(1) == "bwrap", names


@attack("processes")
def signal_the_hub():
    """Pid namespaces number on their own: the hub's number must name nothing of the hub's here."""
    pid = FACTS["hub_pid"]
    if refused(os.kill, pid, 0)[0]:
        return True, "no such process"
    with open(f"/proc/{pid}/cmdline", "rb") as line:
        content = line.read()
    return b"hub" not in content and b"pytest" not in content, content[:80]


@attack("processes")
def signal_the_parent():
    parent = os.getppid()
    while parent > 2:  # up to the session itself, which has no parent in here
        fields = status_fields(parent)
        parent = int(fields["PPid"])
    return parent in (0, 1, 2), f"the first ancestor is {parent}"


@attack("processes")
def trace_process_one():
    result, why = call("ptrace", 16, 1, 0, 0)
    return result < 0, why


@attack("processes")
def trace_a_sibling():
    child = os.fork()
    if child == 0:
        select.select([], [], [], 5)
        os._exit(0)
    result, why = call("ptrace", 0x4206, child, 0, 0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return result < 0, why


@attack("processes")
def read_the_memory_of_a_process():
    tries = (call("process_vm_readv", 1, 0, 0, 0, 0, 0), call("process_vm_writev", 1, 0, 0, 0, 0, 0))
    return all(result < 0 and why in ("EPERM", "ENOSYS") for result, why in tries), tries


@attack("processes")
def gain_from_the_memory_of_process_one():
    opened = refused(lambda: os.close(os.open("/proc/1/mem", os.O_RDWR)))
    return opened[0] or no_powers(status_fields(1)), opened[1]


@attack("processes")
def take_a_descriptor_of_another_process():
    try:
        pidfd = os.pidfd_open(1)
    except OSError as error:
        return True, error.strerror
    result, why = call("pidfd_getfd", pidfd, 0, 0)
    return result < 0, why


@attack("processes")
def enter_the_namespaces_of_process_one():
    tries = []
    for name in ("user", "mnt", "net", "pid", "ipc", "uts", "cgroup", "time"):
        try:
            descriptor = os.open("/proc/1/ns/" + name, os.O_RDONLY)
        except OSError as error:
            tries.append((-1, errno.errorcode[error.errno]))
            continue
        tries.append(call("setns", descriptor, 0))
    return all(result < 0 for result, _ in tries), sorted({why for _, why in tries})


@attack("processes")
def enter_a_namespace_through_an_inherited_descriptor():
    tries = {int(name): call("setns", int(name), 0) for name in os.listdir("/proc/self/fd")}
    return all(result < 0 for result, _ in tries.values()), tries


@attack("processes")
def make_a_namespace():
    kinds = {
        "user": 0x10000000,
        "mnt": 0x20000,
        "net": 0x40000000,
        "pid": 0x20000000,
        "time": 0x80,
        "cgroup": 0x2000000,
    }
    tries = {name: call("unshare", flag) for name, flag in kinds.items()}
    tries["clone"] = call("clone", 0x10000000 | 17, 0, 0, 0, 0)
    if tries["clone"][0] == 0:
        os._exit(0)
    tries["clone3"] = call("clone3", struct.pack("QQQQQQQQ", 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64)
    if tries["clone3"][0] == 0:
        os._exit(0)
    return all(result < 0 for result, _ in tries.values()), tries


@attack("processes")
def mount_something():
    tries = {
        "mount": call("mount", b"t", b"/tmp", b"tmpfs", 0, 0),
        "remount": call("mount", b"/", b"/", b"", 4096 | 32, 0),
        "umount": call("umount2", b"/tmp", 2),
        "pivot_root": call("pivot_root", b"/tmp", b"/tmp"),
        "chroot": call("chroot", b"/tmp"),
        "fsopen": call("fsopen", b"tmpfs", 0),
        "open_tree": call("open_tree", -100, b"/", 1),
        "move_mount": call("move_mount", -100, b"/", -100, b"/tmp", 0),
        "mount_setattr": call("mount_setattr", -100, b"/", 0, 0, 0),
    }
    return all(result < 0 for result, _ in tries.values()), tries


@attack("processes")
def regain_a_capability():
    fields = status_fields()
    done, why = all_refused(refused(os.setuid, 0), refused(os.setgroups, [0]), refused(os.setresuid, 1, 1, 1))
    return no_powers(fields) and done, [fields["CapBnd"], fields["NoNewPrivs"], fields["Seccomp"], why]


@attack("processes")
def rewrite_the_user_map():
    maps = {"uid_map": b"0 0 1", "gid_map": b"0 0 1", "setgroups": b"allow"}
    return all_refused(*(refused(write_to, "/proc/self/" + name, content) for name, content in maps.items()))


@attack("processes")
def type_into_a_terminal():
    terminal = refused(lambda: os.open("/dev/tty", os.O_RDWR))
    try:
        _, follower = os.openpty()
    except OSError as error:
        return terminal[0], [terminal[1], error.strerror]
    return all_refused(terminal, refused(fcntl.ioctl, follower, 0x5412, b"x"))


@attack("processes")
def raise_a_limit():
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return all_refused(
        refused(os.nice, -5),
        refused(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)),
        refused(resource.setrlimit, resource.RLIMIT_NOFILE, (hard + 1, hard + 1)),
        refused(resource.prlimit, 1, resource.RLIMIT_NOFILE, (1 << 20, 1 << 20)),
        refused(write_to, "/proc/self/oom_score_adj", b"-1000"),
    )


@attack("processes")
def dump_core_into_the_hosts_handler():
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    return limits == (0, 0), limits


@attack("processes")
def call_the_kernel_as_a_32_bit_program():
    if not INTEL:
        return True, "not on this machine"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # eax = 20 (getpid); int 0x80; ret
    result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    return result < 0, f"getpid gave {result}"


@attack("processes")
def call_the_kernel_as_an_x32_program():
    if not INTEL:
        return True, "not on this machine"
    result, why = raw(0x40000000 + 39)
    return result < 0, why


# ------------------------------------------------------------------------------------------------------------ kernel


@attack("kernel")
def call_what_a_notebook_never_needs():
    buffer = ctypes.create_string_buffer(120)
    tries = {
        "bpf": (0, 0, 0),
        "perf_event_open": (0, 0, 0, 0, 0),
        "userfaultfd": (1,),
        "io_uring_setup": (4, buffer),
        "keyctl": (0, -3, 1),
        "kexec_load": (0, 0, 0, 0),
        "init_module": (0, 0, b""),
        "finit_module": (0, b"", 0),
        "reboot": (0xFEE1DEAD, 672274793, 0, 0),
        "swapon": (b"/x", 0),
        "acct": (b"/x",),
        "quotactl": (0, 0, 0, 0),
        "iopl": (3,),
        "ioperm": (0, 1, 1),
        "settimeofday": (0, 0),
        "clock_settime": (0, 0),
        "adjtimex": (0,),
        "sethostname": (b"x", 1),
        "syslog": (3, buffer, 100),
        "fanotify_init": (0, 0),
        "memfd_secret": (0,),
        "modify_ldt": (0, 0, 0),
        "vmsplice": (0, 0, 0, 0),
        "kcmp": (1, 1, 0, 0, 0),
        "lookup_dcookie": (0, 0, 0),
        "process_madvise": (0, 0, 0, 0, 0),
        "personality": (0x40000,),
        "move_pages": (0, 0, 0, 0, 0, 0),
    }
    answers = {name: call(name, *words) for name, words in tries.items()}
    let_in = {
        name: why for name, (result, why) in answers.items() if result >= 0 or why not in ("EPERM", "ENOSYS")
    }
    return not let_in, let_in or f"{len(answers)} refused"


@attack("kernel")
def write_to_proc():
    sysctls = [
        "kernel/core_pattern",
        "kernel/hostname",
        "vm/overcommit_memory",
        "kernel/shmmax",
        "fs/mqueue/msg_max",
    ]
    sysctls += ["user/max_user_namespaces", "kernel/ns_last_pid", "kernel/sem", "fs/protected_symlinks"]
    paths = ["/proc/sys/" + name for name in sysctls] + [
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
    ]
    opened = [path for path in paths if not refused(lambda p=path: os.close(os.open(p, os.O_WRONLY)))[0]]
    harmless = [
        path for path in opened if os.path.exists(path) and stat.S_ISCHR(os.stat(path).st_mode)
    ]  # /dev/null
    return opened == harmless, opened


@attack("kernel")
def read_the_kernels_own_from_proc():
    names = ("kmsg", "kcore", "kallsyms", "timer_list", "keys", "cmdline", "config.gz")
    readable = []
    for name in names:
        try:
            with open("/proc/" + name, "rb") as content:
                if content.read(10):
                    readable.append(name)
        except OSError:
            continue
    return not readable, readable


@attack("kernel")
def leave_the_control_group():
    seen = [path for path in ("/sys/fs/cgroup", "/sys", "/run/cgroups") if os.path.exists(path)]
    result, why = call("mount", b"cgroup", b"/tmp", b"cgroup2", 0, 0)
    return not seen and result < 0, [seen, why]


@attack("kernel")
def freeze_a_file_system():
    descriptor = os.open(FACTS["workspace"], os.O_RDONLY)
    tries = [
        refused(fcntl.ioctl, descriptor, request, b"\0" * 24)
        for request in (0xC0045877, 0xC0045878, 0xC0185879)
    ]
    return all_refused(*tries)


@attack("kernel")
def make_a_sandbox_inside():
    results = {}
    for words in (
        ["unshare", "-Ur", "true"],
        ["bwrap", "--ro-bind", "/", "/", "true"],
        ["newuidmap", "1", "0", "0", "1"],
    ):
        try:
            results[words[0]] = subprocess.run(words, capture_output=True, timeout=5).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            results[words[0]] = str(error)[:40]
    return all(result != 0 for result in results.values()), results


# ------------------------------------------------------------------------------------------------------------- bombs


@bomb_of_its_own
def memory_in_one_process():
    held = []
    while True:
        held.append(bytearray(8 << 20))
        held[-1][::4096] = b"\1" * len(range(0, 8 << 20, 4096))


@bomb_of_its_own
def memory_in_many_processes():
    for _ in range(16):
        if os.fork() == 0:
            held = bytearray(60 << 20)
            held[::4096] = b"\1" * len(range(0, len(held), 4096))
            signal.pause()
    signal.pause()


@bomb_of_its_own
def forks():
    made = 0
    while True:
        try:
            if os.fork() == 0:
                signal.pause()
            made += 1
        except OSError as error:
            print("refused after", made, errno.errorcode[error.errno], flush=True)
            signal.pause()


@bomb_of_its_own
def forks_of_forks():
    end = time.monotonic() + 4
    while time.monotonic() < end:
        try:
            os.fork()
        except OSError:
            time.sleep(0.1)
    signal.pause()


@bomb_of_its_own
def threads():
    import threading

    made = 0
    try:
        while made < 5000:
            threading.Thread(target=signal.pause, daemon=True).start()
            made += 1
    except (RuntimeError, MemoryError):
        print("refused after", made, flush=True)
    os._exit(0)


@bomb_of_its_own
def processor():
    for _ in range(4):
        if os.fork() == 0:
            while True:
                pass
    while True:
        pass


@bomb_of_its_own
def disk():
    try:
        for number in range(10_000):
            with open(at_work(f"fill{number}"), "wb") as target:
                for _ in range(16):
                    target.write(b"x" * (1 << 20))
    except OSError as error:
        print("refused", errno.errorcode[error.errno], flush=True)
    signal.pause()


@bomb_of_its_own
def disk_in_deleted_files():
    held = []
    for _ in range(1000):
        target = os.fdopen(os.open(at_work("gone"), os.O_CREAT | os.O_WRONLY), "wb")
        os.unlink(at_work("gone"))
        held.append(target)
        for _ in range(8):
            target.write(b"x" * (1 << 20))
        target.flush()
    signal.pause()


@bomb_of_its_own
def one_sparse_file():
    try:
        descriptor = os.open(at_work("sparse"), os.O_CREAT | os.O_RDWR)
        os.ftruncate(descriptor, 1 << 40)
        print("made", flush=True)
    except OSError as error:
        print("refused", errno.errorcode[error.errno], flush=True)


@bomb_of_its_own
def files():
    os.makedirs(at_work("many"), exist_ok=True)
    try:
        for number in range(300_000):
            os.mknod(at_work(f"many/{number}"))
    except OSError as error:
        print("refused", errno.errorcode[error.errno], flush=True)
    signal.pause()


@bomb_of_its_own
def scratch_space():
    """Fill every place that can be written but the workspace; tells how many MiB each took."""
    taken = {}
    for place in ("/tmp", "/dev/shm", "/home/student", "/", "/dev", "/usr/local", "/run"):
        taken[place] = 0
        try:
            with open(place + "/fill", "wb", buffering=0) as target:
                while taken[place] < 4096:
                    taken[place] += target.write(b"x" * (1 << 20)) / (1 << 20)
        except OSError:
            continue
    print(json.dumps(taken), flush=True)


@bomb_of_its_own
def scratch_files():
    made = 0
    try:
        while made < 400_000:
            os.mknod(f"/tmp/{made}")
            made += 1
    except OSError as error:
        print("refused after", made, errno.errorcode[error.errno], flush=True)


@bomb_of_its_own
def memory_files():
    taken, held = 0, []
    try:
        while taken < 4096:
            held.append(os.memfd_create("x"))
            for _ in range(64):
                taken += os.write(held[-1], b"x" * (1 << 20)) >> 20
    except OSError as error:
        print("refused after", taken, errno.errorcode[error.errno], flush=True)
    signal.pause()


@bomb_of_its_own
def shared_memory_segments():
    made = 0
    while made < 64:
        result, why = call("shmget", 0, 16 << 20, 0o1666)
        if result < 0:
            print("refused after", made, why, flush=True)
            return
        LIBC.shmat.restype = ctypes.c_void_p
        address = LIBC.shmat(ctypes.c_int(result), None, 0)
        if address == ctypes.c_void_p(-1).value:
            return
        ctypes.memset(address, 1, 16 << 20)
        LIBC.shmdt(ctypes.c_void_p(address))
        made += 1
    print("made", made, flush=True)


@bomb_of_its_own
def pipes():
    held, taken = [], 0
    try:
        while True:
            reader, writer = os.pipe()
            held += [reader, writer]
            os.set_blocking(writer, False)
            try:
                while True:
                    taken += os.write(writer, b"x" * 65536)
            except BlockingIOError:
                continue
    except OSError as error:
        print("refused after", taken >> 20, errno.errorcode[error.errno], flush=True)


@bomb_of_its_own
def socket_buffers():
    held, taken = [], 0
    try:
        while True:
            left, right = socket.socketpair()
            held += [left, right]
            left.setblocking(False)
            try:
                while True:
                    taken += left.send(b"x" * 65536)
            except BlockingIOError:
                continue
    except OSError as error:
        print("refused after", taken >> 20, errno.errorcode[error.errno], flush=True)
    signal.pause()


@bomb_of_its_own
def descriptors():
    made = 0
    try:
        while True:
            os.open("/dev/null", os.O_RDONLY)
            made += 1
    except OSError as error:
        print("refused after", made, errno.errorcode[error.errno], flush=True)


@bomb_of_its_own
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            LIBC.prctl(15, b"evil-daemon", 0, 0, 0)  # PR_SET_NAME
            print("daemon", flush=True)
            while True:
                signal.pause()
        os._exit(0)


@bomb_of_its_own
def output():
    end = time.monotonic() + 3
    while time.monotonic() < end:
        os.write(1, b"A" * 65536)


@bomb_of_its_own
def deaf_to_signals():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    print("deaf", flush=True)
    while True:
        signal.pause()


@bomb_of_its_own
def deep_directories():
    os.chdir(FACTS["workspace"])
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
    print("made", flush=True)
    signal.pause()


# ------------------------------------------------------------------------------------------------------------ running


def _in_child(function):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(TIME_LIMIT)
        try:
            contained, detail = function()
        except BaseException as error:
            contained, detail = None, f"the attack itself failed: {type(error).__name__}: {error}"
        os.write(writer, json.dumps([contained, str(detail)[:400]]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read()
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:  # somebody reaps for us
        status = 0
    if text:
        return json.loads(text)
    signalled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return bool(signalled), f"ended by signal {signalled}"


def run(facts, only=None):
    """Try every attack (or those named in ``only``). ``contained`` is None when an attack did not work as a test."""
    if os.geteuid() == 0:
        raise RuntimeError("never as root: an attack that works would hurt this machine")
    FACTS.clear()
    FACTS.update(facts)
    results = []
    for name, category, function in ATTACKS:
        if only is None or name in only:
            contained, detail = _in_child(function)
            results.append({"name": name, "category": category, "contained": contained, "detail": detail})
    return results


def bomb(name, facts):
    with open("/proc/1/comm") as init:
        if init.read().strip() != "bwrap":
            raise RuntimeError("never outside of a sandbox: a bomb would hurt this machine")
    FACTS.clear()
    FACTS.update(facts)
    BOMBS[name]()


def main(words):
    """``list``; ``run FACTS``; ``bomb NAME FACTS``. FACTS is JSON, or ``@`` and the path of a file of it."""
    if words[0] == "list":
        print("\n".join([name for name, _, _ in ATTACKS] + list(BOMBS)))
        return
    facts = words[-1]
    if facts.startswith("@"):
        with open(facts[1:]) as content:
            facts = content.read()
    if words[0] == "run":
        for result in run(json.loads(facts)):
            print(json.dumps(result), flush=True)
    else:
        bomb(words[1], json.loads(facts))


if __name__ == "__main__" and len(sys.argv) > 1:
    main(sys.argv[1:])
