"""`edgeface fleet model`, `ring` and `crops`: a new embedder for a fleet, at the centre."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.centre.enrolling import Enrolling
from edgeface.centre.models.embedding import SiteEmbedding
from edgeface.centre.models.known import add_model, find_model, known_models, remove_model
from edgeface.centre.models.ring import LateError, Ring, set_ring
from edgeface.core.clock import local_time
from edgeface.core.console import complain, say
from edgeface.core.errors import ChangedError, UnknownError, UsageError
from edgeface.core.text import counted, printable
from edgeface.faces.embedder import embedder_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from edgeface.centre.context import CentreContext
    from edgeface.centre.records import DeviceModel

_WHOLE = 100.0


def change_models(context: CentreContext, words: Sequence[str], by: str) -> None:
    """Add a model, embed the crops of a site with all of them, or list them."""
    if not words:
        for name in known_models(context.settings):
            say(name)
    elif words[0] == "add" and len(words) == 2:  # noqa: PLR2004 - the word and its file
        say(f"{add_model(context.settings, Path(words[1]))}: added; next: edgeface fleet model embed SITE")
    elif words[0] == "embed" and len(words) == 2:  # noqa: PLR2004 - the word and the site
        _embed(context, words[1], by)
    elif words[0] == "remove" and len(words) == 2:  # noqa: PLR2004 - the word and the model
        _remove(context, words[1], by)
    else:
        raise UsageError("usage: edgeface fleet model [add FILE | embed SITE | remove MODEL]")


def show_crops(context: CentreContext, words: Sequence[str], by: str, *, delete: bool) -> None:
    """Print whether crops of a person are kept, or delete them."""
    site, who = words
    context.store.site(site)
    person = Enrolling(context, site, by).find(who)
    kept = context.store.crops.consents(site).get(person.person)
    if kept is None:
        say(f"{who}: no crops are kept")
    elif delete:
        context.store.crops.delete(site, person.person, by)
        say(f"{who}: {counted(kept.crops, 'crop')} deleted")
    else:
        say(f"{who}: {counted(kept.crops, 'crop')} kept, by consent of {kept.given}")


def move_ring(context: CentreContext, words: Sequence[str], by: str, arguments: argparse.Namespace) -> None:
    """Have devices of a site use a model."""
    model, site = find_model(context.settings, words[0]), words[1]
    given = [arguments.devices is not None, arguments.share is not None, arguments.all]
    if sum(given) != 1:
        raise UsageError("fleet ring needs one of --devices A,B, --share 10% and --all")
    ring = Ring(
        model=model,
        site=site,
        devices=None if arguments.devices is None else tuple(arguments.devices.split(",")),
        share=_share(arguments.share),
        without=arguments.without,
        anyway=arguments.anyway,
        finish=arguments.finish,
    )
    try:
        chosen = set_ring(context, ring, by)
    except LateError as error:
        raise ChangedError(f"{error} (--anyway continues)") from error
    for device in chosen:
        say(f"{device}: is to {'keep only' if ring.finish else 'use'} {model}")


def model_line(one: DeviceModel) -> str:
    """The model of a device, and the one that it is to use."""
    signed = one.signed or "no model signed yet"
    if one.wanted in {None, one.signed} or one.at is None:
        return signed
    return f"{signed}; is to use {one.wanted} since {local_time(one.at)} ({one.by})"


def _embed(context: CentreContext, site: str, by: str) -> None:
    context.store.site(site)
    embedding = SiteEmbedding(context, site, by)
    for step in embedding.run():
        complain(f"{step.model}: {step.done} of {step.of}")
    for model in known_models(context.settings):
        lacking = embedding.lacking(model)
        say(f"{model}: {counted(len(lacking.people) + len(lacking.without), 'person has', 'people have')} no template")
        for one in lacking.without:
            say(f"  {one.id} has to come again: no crops are kept")


def _remove(context: CentreContext, name: str, by: str) -> None:
    """Delete a model with its templates; it may be one whose file is no longer known."""
    if name == embedder_name(context.settings.embedder.model):
        raise UsageError(f"{name}: the embedder of the centre; name another one in centre.yaml first")
    known, count = name in known_models(context.settings), context.store.rings.drop_model(name, by)
    if not known and not count:
        raise UnknownError(f"{printable(name)}: no such model (edgeface fleet model lists those with a file)")
    remove_model(context.settings, name)
    say(f"{printable(name)}: removed, with {counted(count, 'template')}")


def _share(text: str | None) -> float:
    if text is None:
        return 1.0
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        share = 0.0
    if not text.endswith("%") or not 0 < share <= _WHOLE:
        raise UsageError("--share: a percentage such as 10%, above 0% and at most 100%")
    return share / _WHOLE
