"""What is refused when people are enrolled and photos are added: of the right person, of another, and of two.

Takes a folder PERSON/PHOTO of photos, as in LFW, and uses the photos that enrollment accepts.

- additions: photos are added to a person, their own and those of another.
- mixed: photos of two people are enrolled under one id, at random and of look-alikes: a photo of one joins the evidence
  of the other although it scores low alone (as in benchmarks.identity).
- people: many are enrolled one after the other, and refused as two people or as someone who is enrolled.
- look-alikes: the pairs of people who are most alike are both enrolled, and seen again, also with a second factor.
- factors: everyone comes with their own second factor, and with that of every other person.
- marks: templates that are marked as outliers, the person's own and one of another person.

    python -m benchmarks.enrollment FACES [--leave-out NAME ...] [--cache build/enrollment.npz]

`--leave-out` names people whose photos are labelled wrongly.
"""

from __future__ import annotations

import argparse
import itertools
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.identity import ALONE, JOINS, SWAPS, open_analyzer
from edgeface.evaluation import photo_set
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.agreement import Limits, objection, outliers, two_people
from edgeface.gallery.snapshot import Person, make_snapshot, unit_mean
from edgeface.people.enrollment import KnownFaces
from edgeface.recognition.confirmation import confirm
from edgeface.recognition.decision import MARGIN, Evidence
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from edgeface.gallery.snapshot import GallerySnapshot

    Embeddings = NDArray[np.float32]
    People = Mapping[str, Embeddings]
    Row = tuple[str, int, float]
    """What was tried, how often, and the share of which it is true."""

PAIRS, PEOPLE, ROUNDS = 600, 220, 5
TEMPLATES = 3
ALIKE = 100
"""Pairs of people, the most alike, that are enrolled as look-alikes."""
COSINES = (0.65, 0.75, 0.85, 0.9)
"""Two people are drawn towards each other to these cosines: LFW has no look-alikes with enough photos."""
NAMED_ROUNDS = 8
LIMITS = Limits.of(CalibrationTable.shipped().cosine)


def main() -> None:
    """Measure, print the table, and write the figures."""
    options = arguments()
    people = load(options.faces, options.cache)
    kept = {name: rows for name, rows in people.items() if name not in options.leave_out}
    print(f"{len(kept)} people, {sum(map(len, kept.values()))} photos, limits {LIMITS}")
    measures: tuple[Callable[[People], Iterator[Row]], ...] = (
        additions,
        mixed,
        enrolled,
        look_alikes,
        named,
        stolen,
        marks,
    )
    rows = [row for measure in measures for row in measure(kept)]
    lines = [f"| {what} | {count:,} | {100 * share:.2f} % |" for what, count, share in rows]
    table = "\n".join(["| what | tried | share |", "|---|---:|---:|", *lines])
    print(table)
    print(figures.save("enrollment", table))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("faces", type=Path, help="folder of PERSON/PHOTO")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="NAME", help="people with wrong labels")
    parser.add_argument("--cache", type=Path, help="keeps the embeddings")
    return parser.parse_args()


def load(folder: Path, cache: Path | None) -> People:
    """The embeddings of the good photos, by person."""
    found = photo_set.cached(open_analyzer(), photo_set.find(folder), cache, iter)
    good = np.array([outcome == photo_set.GOOD for outcome in found.outcomes])
    names = np.array([name.split("/")[0] for name in found.names])
    return {str(name): found.embeddings[good & (names == name)] for name in np.unique(names[good])}


def with_photos(people: People, least: int) -> list[str]:
    """The names of the people with so many photos."""
    return sorted(name for name, rows in people.items() if len(rows) >= least)


def drawn(rows: Embeddings, count: int, chance: random.Random) -> Embeddings:
    """So many photos of a person, in random order."""
    return rows[chance.sample(range(len(rows)), count)]


def refused(own: Embeddings, new: Embeddings) -> bool:
    """Whether an addition is refused."""
    return objection(own, new, LIMITS) is not None


def additions(people: People) -> Iterator[Row]:
    """Photos that are added to a person."""
    chance, genuine = random.Random(1), list[bool]()
    for have, new in itertools.product((1, 3, 5), (1, 3, 5)):
        names = with_photos(people, have + new)
        every = [drawn(people[name], have + new, chance) for name in names for _ in range(ROUNDS)]
        own = [refused(rows[:have], rows[have:]) for rows in every]
        genuine += own
        yield f"{new} of the person added to {have}: refused", len(own), float(np.mean(own))
        others = [chance.sample(range(len(every)), 2) for _ in range(3 * len(every))]
        wrong = [not refused(every[a][:have], every[b][have:]) for a, b in others if a // ROUNDS != b // ROUNDS]
        yield f"{new} of another added to {have}: added", len(wrong), float(np.mean(wrong))
    yield "photos of the person, all of these: refused", len(genuine), float(np.mean(genuine))


def mixed(people: People) -> Iterator[Row]:
    """Photos of two people that are enrolled under one id, and added to each other."""
    chance = random.Random(2)
    shots = {name: drawn(people[name], 2 * TEMPLATES, chance) for name in with_photos(people, 2 * TEMPLATES)}
    pairs = list(itertools.combinations(shots, 2))
    chance.shuffle(pairs)
    for what, chosen in (("random pairs", pairs[:PAIRS]), ("look-alikes", look_alike_pairs(shots))):
        halves = [(shots[a][:TEMPLATES], shots[b][:TEMPLATES]) for a, b in chosen]
        together = [two_people(np.concatenate(both), LIMITS) is None for both in halves]
        yield f"two people, 3 + 3 photos, {what}: enrolled as one", len(together), float(np.mean(together))
        added = [not refused(*both) for both in halves]
        yield f"two people, 3 added to 3, {what}: added", len(added), float(np.mean(added))
    for own in (2, 3, 4, 5):
        rows = [np.concatenate([shots[a][:own], shots[b][:1]]) for a, b in pairs[: 5 * PAIRS]]
        alone = [two_people(each, LIMITS, single=True) is None for each in rows]
        yield f"one photo of another among {own}: enrolled as one", len(alone), float(np.mean(alone))


def look_alike_pairs(shots: People) -> list[tuple[str, str]]:
    """The pairs of which a photo of one joins the other's evidence, and scores low alone."""
    found = []
    for known, other in itertools.permutations(shots, 2):
        template, evidence = unit_mean(shots[known][:TEMPLATES]), unit_mean(shots[known][TEMPLATES:])
        joins = shots[other] @ evidence
        joins[shots[other] @ template >= ALONE] = -1.0
        found.append((float(joins.max()), known, other))
    nearest = sorted(found, reverse=True)[:SWAPS]
    print(f"look-alikes: {sum(joins >= JOINS for joins, *_ in nearest)} of {SWAPS} join at {JOINS} or more")
    return [(known, other) for _, known, other in nearest]


def enrolled(people: People) -> Iterator[Row]:
    """People who are enrolled one after the other."""
    for photos in (1, TEMPLATES, 5):
        two, other, names = [], [], with_photos(people, max(2, photos))
        for seed in range(ROUNDS):
            chance, known = random.Random(seed), KnownFaces(LIMITS)
            for name in chance.sample(names, min(PEOPLE, len(names))):
                rows = drawn(people[name], photos, chance)
                two.append(two_people(rows, LIMITS, single=True) is not None)
                other.append(any(known.others(row, name) for row in rows))
                known.means[name] = unit_mean(rows)
        yield f"{min(PEOPLE, len(names))} people, {photos} each: refused as two", len(two), float(np.mean(two))
        yield f"{min(PEOPLE, len(names))} people, {photos} each: refused as another", len(other), float(np.mean(other))


def look_alikes(people: People) -> Iterator[Row]:
    """Who is named when one of two look-alikes is seen: the most alike pairs, and the same drawn nearer together."""
    chance = random.Random(3)
    shots = {name: drawn(people[name], 2 * TEMPLATES, chance) for name in with_photos(people, 2 * TEMPLATES)}
    pairs = most_alike(shots)
    for cosine in (0.0, *COSINES):
        lead = np.concatenate([leads(*nearer(one, other, cosine)) for one, other in pairs])
        what = f"a look-alike of cosine {cosine:.2f}" if cosine else "the most alike pairs"
        yield f"{what}: named as the other", lead.size, float(np.mean(lead <= -MARGIN))
        yield f"{what}: nearer to the other, no name", lead.size, float(np.mean((lead > -MARGIN) & (lead < 0)))
        yield f"{what}: named", lead.size, float(np.mean(lead >= MARGIN))


def most_alike(shots: People) -> list[tuple[Embeddings, Embeddings]]:
    """The photos of the pairs of people who are most alike."""
    names = sorted(shots)
    means = np.stack([unit_mean(shots[name][:TEMPLATES]) for name in names])
    rows, columns = np.triu_indices(len(names), 1)
    nearest = np.argsort(-(means @ means.T)[rows, columns])[:ALIKE]
    return [(shots[names[rows[n]]], shots[names[columns[n]]]) for n in nearest]


def named(people: People) -> Iterator[Row]:
    """Who is confirmed when a second factor names one of two look-alikes: the mean and the newest of three photos."""
    own, wrong = ({cosine: list[bool]() for cosine in COSINES} for _ in range(2))
    for seed in range(NAMED_ROUNDS):
        chance = random.Random(seed)
        shots = {name: drawn(people[name], 2 * TEMPLATES, chance) for name in with_photos(people, 2 * TEMPLATES)}
        for (one, other), cosine in itertools.product(most_alike(shots), COSINES):
            both = nearer(one, other, cosine)
            for person, look_alike in (both, both[::-1]):
                view = pair(person[:TEMPLATES], look_alike[:TEMPLATES])
                own[cosine] += confirmed(view, person[TEMPLATES:])
                wrong[cosine] += confirmed(view, look_alike[TEMPLATES:])
    for cosine in COSINES:
        what = f"a factor, and a look-alike of cosine {cosine:.2f}"
        yield f"{what}: the person confirmed at level high", len(own[cosine]), float(np.mean(own[cosine]))
        yield f"{what}: the look-alike confirmed", len(wrong[cosine]), float(np.mean(wrong[cosine]))


def stolen(people: People) -> Iterator[Row]:
    """Everyone who is enrolled, with their own second factor and with that of every other person, at level high."""
    own, wrong, known, tries = list[bool](), 0, 0, 0
    needed = CalibrationTable.shipped().threshold("high", 1)
    for seed in range(NAMED_ROUNDS):
        chance = random.Random(seed)
        shots = {name: drawn(people[name], 2 * TEMPLATES, chance) for name in with_photos(people, 2 * TEMPLATES)}
        templates = {**{name: rows[:1] for name, rows in people.items()},
                     **{name: rows[:TEMPLATES] for name, rows in shots.items()}}  # fmt: skip
        means, places = (
            np.stack([unit_mean(rows) for rows in templates.values()]),
            {n: k for k, n in enumerate(templates)},
        )
        for name, rows in shots.items():
            mean = means @ unit_mean(rows[TEMPLATES:])
            for newest in rows[TEMPLATES:]:
                alone = means @ newest
                reach = np.minimum(mean, alone) >= needed
                ahead = np.maximum(mean.max() - mean, alone.max() - alone) >= MARGIN
                own.append(bool(reach[places[name]] and not ahead[places[name]]))
                reach[places[name]] = False
                tries += len(means) - 1
                wrong, known = wrong + int(reach.sum()), known + int((reach & ~ahead).sum())
    yield f"one's own factor, {len(means):,} people enrolled: confirmed", len(own), float(np.mean(own))
    yield "the factor of another who is enrolled: reaches level high", tries, wrong / tries
    yield "the factor of another who is enrolled: confirmed", tries, known / tries


def pair(one: Embeddings, other: Embeddings) -> GallerySnapshot:
    """A gallery of two look-alikes, a and b."""
    people = [Person(who, who, False, 0.0, len(rows), 0, look_alikes=alike) for who, rows, alike in
              (("a", one, ("b",)), ("b", other, ("a",)))]  # fmt: skip
    return make_snapshot(people, {"a": one, "b": other})


def confirmed(view: GallerySnapshot, photos: Embeddings) -> Iterator[bool]:
    """Whether a is confirmed at level high from these photos, each in turn the newest."""
    needed = CalibrationTable.shipped().threshold("high", 1)
    for newest in range(len(photos)):
        order = [*(row for n, row in enumerate(photos) if n != newest), photos[newest]]
        found = confirm(Evidence(tuple(order), tuple(map(float, range(len(order))))), view, "a")
        yield min(found.score, found.newest) >= needed and not found.look_alike


def nearer(one: Embeddings, other: Embeddings, cosine: float) -> tuple[Embeddings, Embeddings]:
    """Two people, each drawn towards the other until the means of their templates have this cosine."""
    towards_other, towards_one = unit_mean(other[:TEMPLATES]), unit_mean(one[:TEMPLATES])
    for share in np.linspace(0.0, 1.0, 101):
        first, second = (
            np.stack([unit_mean([row + np.float32(share) * mean]) for row in rows])
            for rows, mean in ((one, towards_other), (other, towards_one))
        )
        if unit_mean(first[:TEMPLATES]) @ unit_mean(second[:TEMPLATES]) >= cosine:
            break
    return first, second


def leads(one: Embeddings, other: Embeddings) -> Embeddings:
    """How far each photo that is no template is nearer to its own person than to the other."""
    means = unit_mean(one[:TEMPLATES]) - unit_mean(other[:TEMPLATES])
    return np.concatenate([one[TEMPLATES:] @ means, -(other[TEMPLATES:] @ means)])


def marks(people: People) -> Iterator[Row]:
    """Templates that are marked: of the person, and one of someone else among them."""
    chance = random.Random(4)
    for count in (3, 5, 8):
        names = with_photos(people, count + 1)
        own, wrong = [], []
        for name in names:
            rows = drawn(people[name], count + 1, chance)
            own += [place in outliers(rows, LIMITS) for place in range(count + 1)]
            other = people[chance.choice([one for one in names if one != name])]
            wrong.append(count in outliers(np.concatenate([rows[:count], other[:1]]), LIMITS))
        yield f"a template among {count} others of the person: marked", len(own), float(np.mean(own))
        yield f"a template of another among {count}: marked", len(wrong), float(np.mean(wrong))


if __name__ == "__main__":
    main()
