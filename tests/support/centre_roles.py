"""Accounts of a centre, each a role and its sites, and which of them may do what at the site that is asked about."""

from tests.support.centre_server import SITE

Sites = tuple[str, ...]
ANNEX: Sites = ("annex",)
OWN: Sites = (SITE,)
ALL: Sites = ()
"""The sites of an account: another one, the one that is asked about, and all."""
EVERYONE: set[tuple[str, Sites]] = {(role, sites) for role in ("viewer", "admin") for sites in (ANNEX, OWN, ALL)}
ADMINS = {one for one in EVERYONE if one[0] == "admin"}
OF_SITE = {one for one in EVERYONE if one[1] != ANNEX}
SITE_ADMINS, ADMINS_OF_ALL = ADMINS & OF_SITE, {("admin", ALL)}
