"""Routes of accounts: signing in and out, users, API keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from bot import accounts
from bot.accounts import Identity
from bot.tables import User
from bot.web import responses
from bot.web.fields import SOMETHING, Body, CollectionName, Id, Username, declared, names
from bot.web.logins import Logins
from bot.web.security import (
    SESSION_COOKIE,
    Admin,
    MaybeIdentity,
    PartsDep,
    address,
    clear_cookie,
    cookie_name,
    set_cookie,
)
from bot.wiring import Parts

router = APIRouter(prefix="/api", tags=["accounts"])


class LoginBody(Body):
    username: str = Field(max_length=200)
    password: str = Field(max_length=accounts.MAX_PASSWORD)


class UserBody(Body):
    username: Username
    password: Annotated[str, Field(max_length=accounts.MAX_PASSWORD), declared(minLength=accounts.MIN_PASSWORD)]
    role: Annotated[str, Field(max_length=16), names(accounts.ROLES)] = "curator"


class KeyBody(Body):
    name: Annotated[str, Field(max_length=accounts.MAX_KEY_NAME), declared(pattern=SOMETHING)]
    role: Annotated[str, Field(max_length=16), names(accounts.KEY_ROLES)] = "program"
    collection: CollectionName | None = Field(None, description="The only one that the key may see; left out: all")


@router.get("/session", response_model=responses.Session)
def who(identity: MaybeIdentity) -> dict[str, Any]:
    """Who is signed in, if anybody."""
    return {"user": _user(identity) if identity and identity.role != "visitor" else None}


@router.post("/session", response_model=responses.Session, responses={401: {}, 429: {}})
async def sign_in(body: LoginBody, request: Request, response: Response, parts: PartsDep) -> dict[str, Any]:
    """Signs in. A few wrong passwords make their address wait; guesses from many addresses make a name slow."""
    logins: Logins = request.app.state.logins
    attempt = logins.begin(address(request), body.username)
    await asyncio.sleep(attempt.pause)  # uses no thread
    user, token = await run_in_threadpool(_opened, parts, body, partial(logins.was_right, attempt))
    set_cookie(request, response, SESSION_COOKIE, token, accounts.SESSION_DAYS)
    return {"user": {"username": user.username, "role": user.role}}


def _opened(parts: Parts, body: LoginBody, right: Callable[[], None]) -> tuple[User, str]:
    """The user and the token of a new session; calls ``right`` when the password is."""
    with parts.database.read() as session:
        user = accounts.verify_password(session, body.username, body.password)
    right()
    with parts.database.write() as session:
        return user, accounts.sign_in(session, user)


@router.delete("/session", status_code=204)
def sign_out(request: Request, response: Response, parts: PartsDep) -> None:
    """Ends the session."""
    token = request.cookies.get(cookie_name(request, SESSION_COOKIE), "")
    with parts.database.write() as session:
        accounts.sign_out(session, token)
    clear_cookie(request, response, SESSION_COOKIE)


@router.get("/users", response_model=responses.Accounts)
def list_users(_identity: Admin, parts: PartsDep) -> dict[str, Any]:
    """All accounts."""
    with parts.database.read() as session:
        return {
            "users": [
                {"username": u.username, "role": u.role, "disabled": u.disabled, "created_at": u.created_at}
                for u in accounts.users(session)
            ]
        }


@router.post("/users", status_code=201, response_model=responses.User, responses={409: {}})
def add_user(body: UserBody, _identity: Admin, parts: PartsDep) -> dict[str, Any]:
    """Adds an account."""
    with parts.database.write() as session:
        user = accounts.add_user(session, body.username, body.password, body.role)
        return {"username": user.username, "role": user.role}


@router.get("/keys", response_model=responses.Keys)
def list_keys(_identity: Admin, parts: PartsDep) -> dict[str, Any]:
    """All API keys, without their secrets."""
    with parts.database.read() as session:
        return {
            "keys": [
                {
                    "id": key.id,
                    "name": key.name,
                    "role": key.role,
                    "collection": key.collection,
                    "created_by": key.created_by,
                    "created_at": key.created_at,
                    "revoked_at": key.revoked_at,
                }
                for key in accounts.keys(session)
            ]
        }


@router.post("/keys", status_code=201, response_model=responses.NewKey)
def add_key(body: KeyBody, identity: Admin, parts: PartsDep) -> dict[str, Any]:
    """Creates a key; its secret is shown only now."""
    with parts.database.write() as session:
        key, token = accounts.add_key(
            session,
            body.name,
            body.role,
            created_by=accounts.account_behind(session, identity),
            collection=body.collection,
        )
        return {"id": key.id, "name": key.name, "role": key.role, "collection": key.collection, "key": token}


@router.delete("/keys/{key_id:int}", status_code=204)
def revoke_key(key_id: Id, _identity: Admin, parts: PartsDep) -> None:
    """Revokes a key; its conversations and changes stay."""
    with parts.database.write() as session:
        accounts.revoke_key(session, key_id)


def _user(identity: Identity) -> dict[str, str]:
    return {"username": identity.name, "role": identity.role}
