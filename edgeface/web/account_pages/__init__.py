"""The pages about accounts: sessions, people who can sign in, invitations and API tokens."""

from __future__ import annotations

from edgeface.web.account_pages import accounts, invitations, sessions, tokens

ROUTES = (*sessions.ROUTES, *accounts.ROUTES, *invitations.ROUTES, *tokens.ROUTES)
