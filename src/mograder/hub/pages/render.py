"""A view becomes HTML."""

from __future__ import annotations

import re
from datetime import datetime

import jinja2
from markupsafe import Markup, escape

from mograder.hub.pages import (
    account_views,
    file_views,
    language,
    teach_views,
    update_views,
    version_views,
    views,
    words,
)
from mograder.hub.pages.assets import asset_url
from mograder.hub.pages.rows import Rows

_TEMPLATES: dict[type, str] = {
    views.Dashboard: "dashboard.html",
    views.Start: "start.html",
    file_views.Files: "files.html",
    version_views.History: "history.html",
    version_views.Compare: "compare.html",
    views.CheckReport: "report.html",
    views.Problem: "problem.html",
    views.SignOut: "sign_out.html",
    update_views.Update: "update.html",
    account_views.Account: "account.html",
    teach_views.Course: "teach_course.html",
    teach_views.Confirm: "teach_confirm.html",
    teach_views.Radar: "teach_radar.html",
    teach_views.Listing: "teach_listing.html",
    teach_views.Student: "teach_student.html",
    teach_views.Help: "teach_help.html",
    teach_views.Preview: "teach_preview.html",
}


def _bdi(text: str) -> Markup:
    """A name amid a sentence: its direction of writing stays its own."""
    return Markup("<bdi>{}</bdi>").format(text)


def _coded(text: str) -> Markup:
    """What a check says, with the code in it, which it writes `so`, set apart."""
    parts = re.split(r"`([^`\n]+)`", text)
    code = Markup("<code>{}</code>")
    shown = (code.format(part) if index % 2 else escape(part) for index, part in enumerate(parts))
    return Markup("<bdi>{}</bdi>").format(Markup("").join(shown))


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mograder.hub.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset=asset_url, path=views.path, words=words)
    environment.globals.update(
        bdi=_bdi,
        coded=_coded,
        safe=Markup,
        tr=language.tell,
        language=language.language,
        languages=language.LANGUAGES,
        texts=language.texts,
    )
    environment.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    return environment


_ENVIRONMENT = _environment()


def _assignment(page: views.Page, row: views.ItemRow, now: datetime) -> str:
    return str(_ENVIRONMENT.get_template("rows.html").module.assignment(page, row, now))  # type: ignore[attr-defined]


_ENVIRONMENT.globals.update(assignment_row=Rows(_assignment).html)


def render(
    view: views.View
    | version_views.VersionView
    | file_views.FileView
    | update_views.Update
    | account_views.Account
    | teach_views.TeachView,
) -> str:
    """The whole page for ``view``. Its content type is ``text/html; charset=utf-8``."""
    template = _ENVIRONMENT.get_template(_TEMPLATES[type(view)])
    return template.render(view=view, page=view.page)


def content_security_policy(form_targets: tuple[str, ...] = ()) -> str:
    """The policy that these pages are written for: nothing inline, nothing from elsewhere, nobody frames them.

    ``form_targets`` are origins besides the hub's own that a form may end up at.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            " ".join(("form-action 'self'", *form_targets)),
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )
