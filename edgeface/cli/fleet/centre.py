"""`edgeface fleet` at the centre: sites, codes, people, devices and proofs."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.centre.admins.sites import proof_object
from edgeface.centre.context import opened
from edgeface.centre.enrolling import Enrolling, Facts
from edgeface.centre.lost import lose
from edgeface.centre.records import INSISTENCES
from edgeface.centre.search.candidates import NOTE, Inquiry, candidates
from edgeface.centre.tables.faces import ObjectionError
from edgeface.cli.fleet.events import show_events
from edgeface.cli.fleet.models import change_models, model_line, move_ring, show_crops
from edgeface.cli.fleet.policy import do_policy, still_named
from edgeface.cli.fleet.service import load
from edgeface.cli.people import refusals_explained
from edgeface.core.clock import SystemClock, local_time, rfc3339
from edgeface.core.console import complain, say
from edgeface.core.errors import ChangedError, EdgefaceError, UnknownError, UsageError
from edgeface.core.text import check_id, counted, printable, printable_path
from edgeface.fleet import join_code
from edgeface.gallery.snapshot import check_days
from edgeface.people.enrollment import EnrollOptions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from edgeface.centre.context import CentreContext
    from edgeface.centre.records import Device, DeviceProof

_BY = "command-line"
_STATES = {
    "never": "has signed nothing yet",
    "behind": "has signed an earlier set",
    "equal": "has signed this set",
    "differs": "has another set than the centre: an alarm",
}


def run_at_centre(arguments: argparse.Namespace) -> int:
    """Do one action; returns the exit status."""
    least, most, words = _WORDS[arguments.action]
    if not least <= len(arguments.words) <= most:
        raise UsageError(f"usage: edgeface fleet {arguments.action} {words}".rstrip())
    with opened(load(arguments), SystemClock()) as context:
        _ACTIONS[arguments.action](context, arguments.words, arguments)
    return 0


def _site(context: CentreContext, words: Sequence[str], _: argparse.Namespace) -> None:
    """Add sites, or list them."""
    for word in words:
        check_id(word)
        context.store.add_site(word, _BY)
    for one in context.store.sites():
        say(f"{one.site:<20} {counted(one.count, 'person', 'people'):<14} change {one.seq}, epoch {one.epoch}")


def _code(context: CentreContext, words: Sequence[str], _: argparse.Namespace) -> None:
    """Print a code with which a device may join."""
    device, *sites = words
    check_id(device)
    secret = context.store.make_code(sites, device, _BY)
    settings = context.settings
    minutes = join_code.SECONDS // 60
    complain(f"at {device}, within {minutes} minutes; the code works once, is asked for, and is not shown again:")
    say(f"edgeface fleet join https://{settings.names[0]}:{settings.devices.port}")
    say(join_code.new(context.authority.fingerprint, secret).text())


def _enroll(context: CentreContext, words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Enroll a person from photos."""
    site, who, *photos = words
    check_days(arguments.given, arguments.expires)
    context.store.site(site)
    facts = Facts(
        arguments.name,
        tuple(arguments.group) if arguments.group else None,
        None,
        arguments.given,
        arguments.expires,
    )
    options = EnrollOptions(
        skip_bad=arguments.skip_bad, anyway=arguments.anyway, different_people=arguments.different_people
    )
    with refusals_explained(" (--skip-bad leaves them out)"):
        done = Enrolling(context, site, _BY).from_photos(
            who, facts, map(Path, photos), options, keep_crops=arguments.keep_crops
        )
    for line in (*done.notes, *done.left_out):
        complain(line)
    say(f"{done.person.id}: {'enrolled' if done.new else 'changed'} at {site}, change {done.person.seq}")


def _people(context: CentreContext, words: Sequence[str], _: argparse.Namespace) -> None:
    """List the people of a site."""
    kept = context.store.crops.consents(words[0])
    for one in context.store.people(words[0]):
        facts = [*one.groups, *(["ignored"] if one.ignored else []), *([f"until {one.expires}"] if one.expires else [])]
        facts += [f"crops by consent of {kept[one.person].given}"] if one.person in kept else []
        say(f"{one.id:<20} {one.name:<24} {' '.join(facts)}".rstrip())


def _forget(context: CentreContext, words: Sequence[str], _: argparse.Namespace) -> None:
    """Forget people permanently, and print who has not signed that yet."""
    site, *people = words
    service = Enrolling(context, site, _BY)
    found = service.find_all(people)
    numbers = context.store.forget_all(site, [one.person for one in found], _BY)
    for one, seq in zip(found, numbers, strict=True):
        say(f"{one.id}: forgotten, change {seq}; the key is destroyed in both copies of the keyring")
    for line in still_named(context, site, people):
        complain(line)
    _say_proof(context, site)


def _devices(context: CentreContext, _: Sequence[str], __: argparse.Namespace) -> None:
    """List the devices, with the policies that they apply."""
    proofs = map(context.store.proof, [one.site for one in context.store.sites()])
    applied = {(proof.site.site, one.device): one.policy for proof in proofs for one in proof.devices if one.policy}
    for one in context.store.devices():
        policies = "".join(f", policy {n} of {site}" for (site, device), n in applied.items() if device == one.device)
        say(f"{one.device:<20} {', '.join(one.sites):<24} {_state(one)}{policies}")
    for site in context.store.sites():
        for device in context.store.rings.models(site.site):
            say(f"{device.device:<20} {site.site:<24} {model_line(device)}")


def _crops(context: CentreContext, words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Print whether crops of a person are kept, or delete them."""
    show_crops(context, words, _BY, delete=arguments.delete)


def _model(context: CentreContext, words: Sequence[str], _: argparse.Namespace) -> None:
    """Add a model, embed the crops of a site, or list the models."""
    change_models(context, words, _BY)


def _ring(context: CentreContext, words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Have devices of a site use a model."""
    move_ring(context, words, _BY, arguments)


def _lost(context: CentreContext, words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Refuse a device, give its sites new keys, say whose templates it had, and have doors refuse its grants."""
    report = lose(context.store, words[0], _BY)
    say(f"{words[0]}: revoked; the centre refuses its certificate from now on")
    for site, epoch in report.epochs.items():
        say(f"{site}: new keys, epoch {epoch}; what follows, {words[0]} cannot open")
    for site, people in report.people.items():
        say(f"{site}: it had the templates of {', '.join(people) or 'no one'}")
    if any(report.people.values()):
        say("without a TPM, count these templates as read: GDPR, article 33, allows 72 hours for the report")
    _shut_out(context, report.device, arguments)


def _shut_out(context: CentreContext, device: Device, arguments: argparse.Namespace) -> None:
    """Have doors refuse a device's grants, or say how; raises EdgefaceError with the command if that fails."""
    settings, command = context.settings, f"edgeface keys revoke {device.device}"
    if settings.owner_keys is None:
        for key in device.grant_keys:
            say(f"doors still accept its grants with the key {base64.b64encode(key).decode()}")
        if device.grant_keys:
            say(f"take them out of every door now: {command}, at the owner's machine")
        return
    from edgeface.cli.keys.listed import Broker, revoke_lost

    try:
        revoke_lost(device.device, device.grant_keys, settings.owner_keys, Broker(settings.mqtt, "centre"), arguments)
    except EdgefaceError as error:
        where = printable_path(settings.owner_keys)
        raise EdgefaceError(
            f"the doors' list of keys: {error}; when that is right: {command} --data {where}"
        ) from error


def _proof(context: CentreContext, words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Print what each device of a site has signed."""
    if arguments.json:
        say(proof_object(context.store.proof(words[0])).model_dump_json(indent=2))
    else:
        _say_proof(context, words[0])


def _proposals(context: CentreContext, _: Sequence[str], __: argparse.Namespace) -> None:
    """List what devices propose and an administrator has to decide."""
    for one in context.store.proposals():
        ids = {known.person: known.id for known in context.store.people(one.site)}
        who = one.id or ids.get(one.person, "someone who is not here")
        kind = "forget" if one.forget else "change" if one.person in ids else "enroll"
        say(f"{one.n:<6} {one.site:<20} {one.device:<20} {local_time(one.at)}  {kind} {who}")
        for objection in one.objections:
            say(f"{'':<6} {objection.text}")


def _accept(context: CentreContext, words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Make proposals changes."""
    insisted = {option for option in INSISTENCES.values() if getattr(arguments, option)}
    for number in _numbers(context, words):
        try:
            say(f"{number}: accepted, change {context.store.accept(number, _BY, insisted)}")
        except ObjectionError as error:
            options = " ".join(f"--{one.replace('_', '-')}" for one in error.options)
            raise ChangedError(f"{error} (to accept it all the same: {options})") from error


def _decline(context: CentreContext, words: Sequence[str], _: argparse.Namespace) -> None:
    """Decline proposals, and destroy what they have."""
    for number in _numbers(context, words):
        context.store.decline(number, _BY)
        say(f"{number}: declined; its key is destroyed in both copies of the keyring")


def _search(context: CentreContext, words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Print who looks like the face in a photo."""
    site, photo = words
    context.store.site(site)
    found = candidates(context, Inquiry(_BY, arguments.reason or "", (site,)), Path(photo))
    for one in found:
        say(f"{one.score:<7.3f} {one.likeness:<16} {one.id:<20} {one.name}")
    complain(NOTE if found else f"{site}: no one to compare with")


def _numbers(context: CentreContext, words: Sequence[str]) -> list[int]:
    """The numbers of waiting proposals; raises UnknownError if one is not of those."""
    waiting = {str(one.n): one.n for one in context.store.proposals()}
    for word in words:
        if word not in waiting:
            raise UnknownError(f"{printable(word)}: no such proposal waits")
    return [waiting[word] for word in words]


def _say_proof(context: CentreContext, site: str) -> None:
    found = context.store.proof(site)
    people = counted(found.site.count, "person", "people")
    say(f"{site}: change {found.site.seq}, {people}, digest {found.site.digest:064x}")
    for one in found.devices:
        say(f"  {one.device:<20} {_proof_line(one)}")
        if one.signature is not None:
            say(f"  {'':<20} {rfc3339(one.at / 1000)} {base64.b64encode(one.signature).decode()}")
    left = [one for one in found.outstanding if not one.revoked]
    if left:
        say(f"outstanding: {', '.join(one.device for one in left)}")
    elif found.devices:
        say("no device is outstanding")


def _proof_line(one: DeviceProof) -> str:
    words = "is revoked" if one.revoked else _STATES[one.state]
    signed = f", change {one.seq}" if one.signature is not None else ""
    signed += f", policy {one.policy}" if one.policy else ""
    if one.state == "equal" or one.lease_ends is None:
        return f"{words}{signed}"
    return f"{words}{signed}; matches no one of it after {local_time(one.lease_ends)}"


def _state(one: Device) -> str:
    if one.revoked is not None:
        return f"revoked {local_time(one.revoked)}"
    return f"seen {local_time(one.seen)}, certificate until {local_time(one.certificate_ends)}"


_MANY = 1_000
_WORDS = {
    "site": (0, _MANY, "[SITE...]"),
    "code": (2, 65, "DEVICE SITE..."),
    "enroll": (3, _MANY, "SITE ID PHOTO..."),
    "people": (1, 1, "SITE"),
    "forget": (2, _MANY, "SITE ID..."),
    "devices": (0, 0, ""),
    "lost": (1, 1, "DEVICE"),
    "proof": (1, 1, "SITE"),
    "proposals": (0, 0, ""),
    "accept": (1, _MANY, "N..."),
    "decline": (1, _MANY, "N..."),
    "events": (0, 1, "[SITE]"),
    "crops": (2, 2, "SITE PERSON"),
    "model": (0, 2, "[add FILE | embed SITE | remove MODEL]"),
    "ring": (2, 2, "MODEL SITE"),
    "search": (2, 2, "SITE PHOTO --reason TEXT"),
    "policy": (1, 1, "SITE [--set FILE | --remove]"),
}
"""How many words each action takes, and what they are."""
_ACTIONS = {
    "site": _site, "code": _code, "enroll": _enroll, "people": _people,
    "forget": _forget, "devices": _devices, "lost": _lost, "proof": _proof,
    "proposals": _proposals, "accept": _accept, "decline": _decline,
    "events": show_events, "crops": _crops, "model": _model, "ring": _ring, "search": _search,
    "policy": do_policy,
}  # fmt: skip
