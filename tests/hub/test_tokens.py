"""``mograder.hub.identity.tokens``: a bearer token is ours, of today, for this hub, or nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.errors import MograderError, NotSignedIn
from mograder.hub.identity import tokens
from mograder.hub.identity.model import Identity, Role

SECRET = "s" * 40


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "sub": "ada",
        "role": "student",
        "iat": now,
        "exp": now + 60,
        "jti": "1",
        "aud": "mograder-hub",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def signed(header: dict[str, Any], body: dict[str, Any], secret: str = SECRET, digest: str = "sha256") -> str:
    """A token made by hand, with whatever header somebody likes."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, body)]
    signature = hmac.digest(secret.encode(), b".".join(parts), digest)
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def refused(token: str, secret: str = SECRET) -> str:
    with pytest.raises(NotSignedIn) as caught:
        tokens.read(secret, token)
    return str(caught.value)


@pytest.mark.parametrize("role", Role)
def test_a_token_names_whom_it_was_made_for(role: Role) -> None:
    token = tokens.make(SECRET, "ada@uni", role, 60)
    assert tokens.read(SECRET, token) == Identity("ada@uni", role, "token")


def test_the_hand_made_token_of_these_tests_is_accepted_when_nothing_is_wrong_with_it() -> None:
    assert tokens.read(SECRET, signed({"alg": "HS256", "typ": "JWT"}, claims())).user == "ada"


def test_every_token_has_its_own_number_and_its_end() -> None:
    made = [
        jwt.decode(tokens.make(SECRET, "ada", Role.STUDENT), options={"verify_signature": False})
        for _ in "12"
    ]
    assert made[0]["jti"] != made[1]["jti"]
    assert made[0]["exp"] - made[0]["iat"] == 90 * 86400


def test_a_token_of_another_secret_is_refused() -> None:
    assert "not valid here" in refused(tokens.make("x" * 40, "ada", Role.STUDENT))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "nOnE", "HS384", "HS512", "RS256", "ES256", "", "HS256 "]
)
def test_a_token_of_another_algorithm_is_refused(algorithm: str) -> None:
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(algorithm, "sha256")
    refused(signed({"alg": algorithm, "typ": "JWT"}, claims(), digest=digest))


def test_a_token_without_signature_is_refused() -> None:
    refused(jwt.encode(claims(), None, algorithm="none"))  # type: ignore[arg-type]
    whole = tokens.make(SECRET, "ada", Role.INSTRUCTOR)
    refused(whole.rpartition(".")[0] + ".")
    refused(whole.rpartition(".")[0])


def test_a_key_that_the_token_brings_along_is_not_used() -> None:
    key = base64.urlsafe_b64encode(b"mine" * 10).decode()
    header = {
        "alg": "HS256",
        "jwk": {"kty": "oct", "k": key},
        "jku": "https://evil/",
        "kid": "../../dev/null",
    }
    refused(signed(header, claims(), secret="mine" * 10))


def test_an_expired_token_says_so() -> None:
    assert "has expired" in refused(tokens.make(SECRET, "ada", Role.STUDENT, -1))


@pytest.mark.parametrize("missing", ["sub", "role", "exp", "iat", "jti", "aud"])
def test_a_token_that_leaves_something_out_is_refused(missing: str) -> None:
    refused(signed({"alg": "HS256"}, claims(**{missing: None})))


@pytest.mark.parametrize(
    "changes",
    [{"aud": "another-hub"}, {"aud": ["x", "y"]}, {"role": "admin"}, {"role": ["instructor"]}, {"role": {}},
     {"exp": "tomorrow"}, {"nbf": int(time.time()) + 9999}, {"iat": int(time.time()) + 9999}, {"sub": ""},
     {"sub": "../bob"}, {"sub": 7.5}, {"sub": {"a": 1}}, {"sub": "ada\nX: y"}, {"exp": -1}],
)  # fmt: skip
def test_a_signed_token_that_says_something_else_is_refused(changes: dict[str, Any]) -> None:
    refused(signed({"alg": "HS256"}, claims(**changes)))


@given(st.data())
def test_no_changed_character_goes_unnoticed(data: st.DataObject) -> None:
    token = tokens.make(SECRET, "ada", Role.STUDENT)
    place = data.draw(st.integers(0, len(token) - 2))  # the last one carries bits that stand for nothing
    letter = data.draw(st.sampled_from("ABCxyz019-_."))
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        refused(changed)


@given(st.text(max_size=300) | st.text("eyJ.", max_size=60))
def test_no_text_at_all_is_more_than_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("length", [1000, 3000, 100_000])
def test_a_header_nested_to_break_the_parser_is_refused(length: int) -> None:
    part = base64.urlsafe_b64encode(b"[" * length).decode().rstrip("=")
    refused(f"{part}.e30.x")
    refused(f"eyJhbGciOiJIUzI1NiJ9.{part}.x")


def test_a_token_cut_short_is_refused() -> None:
    token = tokens.make(SECRET, "ada", Role.STUDENT)
    for length in range(len(token)):
        refused(token[:length])


@pytest.mark.parametrize(
    ("secret", "said"), [("", "is not set"), ("short", "shorter than 32"), ("x" * 31, "shorter")]
)
def test_a_secret_that_is_missing_or_short_says_how_to_make_one(secret: str, said: str) -> None:
    with pytest.raises(MograderError, match=r"Tip: export MOGRADER_HUB_SECRET=.*token_hex") as caught:
        tokens.check_secret(secret)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_long_secret_is_accepted() -> None:
    assert tokens.check_secret("x" * 32) == "x" * 32


def test_the_signature_is_hmac_with_sha_256() -> None:
    body, _, signature = tokens.make(SECRET, "ada", Role.STUDENT).rpartition(".")
    expected = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "==") == expected
