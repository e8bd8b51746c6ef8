"""The policy that a session's pages live under when they share the hub's origin."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=1024)
def session_policy(origin: str, prefix: str, assets: str, extra: tuple[str, ...] = ()) -> str:
    """Return the Content-Security-Policy of everything under ``prefix``, a percent-encoded path.

    A notebook is a student's program, in the page as well as in the kernel: it may do as it likes inside its own
    prefix and reach nothing else of the hub's. ``assets`` is the shared path of marimo's files; no worker may start
    from there, because a worker lives under the policy of its own script's answer, not of the page's. Nor from the
    prefix itself: a service worker can make up pages that no policy comes with. A worker from a blob lives under its
    page's. ``extra`` are host sources; a bare scheme (``https:``) would let the hub back in and is refused.

    Paths in a policy do not hold after a redirect, so a session's redirects are checked as well.

    Raises:
        ValueError: a source in ``extra`` that is not a host.
    """
    for source in extra:
        if (
            any(c in source for c in " ;,'\"\r\n")
            or source.endswith(":")
            or source.strip("*") in {"", "https://"}
        ):
            raise ValueError(f"{source!r} is not a host that notebooks may load from")
    own = f"{origin}{prefix}"
    sockets = own.replace("http", "ws", 1)
    files = " ".join((own, f"{origin}{assets}", *extra))
    return "; ".join(
        (
            f"default-src {files} data: blob:",
            f"script-src {files} 'unsafe-inline' 'unsafe-eval' blob:",
            f"style-src {files} 'unsafe-inline'",
            "img-src * data: blob:",
            f"font-src {files} data:",
            f"connect-src {files} {sockets} data: blob:",
            f"frame-src {' '.join((own, *extra))} data: blob:",
            f"worker-src {' '.join(('blob:', *extra))}",
            f"object-src {own}",
            f"form-action {own}",
            f"base-uri {own}",
            "frame-ancestors 'self'",
        )
    )
