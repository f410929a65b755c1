"""The order of password checks."""

from __future__ import annotations

import asyncio

from edgeface.web.auth.password_checks import MAX_WAITING, PasswordChecks
from edgeface.web.http.problems import Problem
from tests.support.clock import FixedClock


class Desk:
    """Checks that take a moment each, and the order in which they were made."""

    def __init__(self) -> None:
        self.checks = PasswordChecks(FixedClock())
        self.order: list[str] = []
        self.at_a_time = self.most = 0

    async def check(self, address: str, account: str = "", *, known: bool = False) -> None:
        async with self.checks.one(address, account, known=known):
            self.order.append(f"{account}@{address}")
            self.at_a_time += 1
            self.most = max(self.most, self.at_a_time)
            await asyncio.sleep(0.005)
            self.at_a_time -= 1

    def later(self, address: str, account: str = "", *, known: bool = False) -> asyncio.Task[None]:
        return asyncio.ensure_future(self.check(address, account, known=known))


def test_an_address_that_asks_for_the_first_time_comes_before_a_busy_one() -> None:
    async def work(desk: Desk) -> None:
        waiting = [desk.later("busy", "anna") for _ in range(5)]
        await asyncio.sleep(0)
        waiting.append(desk.later("elsewhere", "root"))
        await asyncio.gather(*waiting)

    desk = Desk()
    asyncio.run(work(desk))
    assert desk.order[:2] == ["anna@busy", "root@elsewhere"]
    assert (len(desk.order), desk.most) == (6, 1)


def test_an_account_that_few_try_comes_before_one_that_many_try_from_everywhere() -> None:
    async def work(desk: Desk) -> None:
        waiting = [desk.later(f"a{n}", "anna") for n in range(20)]
        while len(desk.order) < 3:  # noqa: ASYNC110 - the order has no event for it
            await asyncio.sleep(0)
        waiting.append(desk.later("elsewhere", "root"))
        await asyncio.gather(*waiting)

    desk = Desk()
    asyncio.run(work(desk))
    assert "root@elsewhere" in desk.order[:5]


def test_where_an_account_has_signed_in_it_comes_first() -> None:
    async def work(desk: Desk) -> None:
        for _ in range(5):
            await desk.check("home", "root")
        waiting = [desk.later(f"a{n}", f"x{n}") for n in range(9)]
        await asyncio.sleep(0)
        waiting.append(desk.later("home", "root", known=True))
        await asyncio.gather(*waiting)

    desk = Desk()
    asyncio.run(work(desk))
    assert desk.order[6] == "root@home"


def test_too_many_are_sent_away_and_nothing_stays_taken() -> None:
    async def work(desk: Desk) -> list[object]:
        one = await asyncio.gather(*(desk.later("a") for _ in range(9)), return_exceptions=True)
        many = await asyncio.gather(*(desk.later(f"b{n}") for n in range(MAX_WAITING + 3)), return_exceptions=True)
        await desk.check("c")
        return [*one, *many]

    desk = Desk()
    found = asyncio.run(work(desk))
    assert [isinstance(one, Problem) and one.status for one in found if one is not None] == [503] * (4 + 2)
    assert desk.order[-1] == "@c"


def test_a_request_that_is_cancelled_passes_its_turn_on() -> None:
    async def work(desk: Desk) -> None:
        waiting = [desk.later(f"a{n}") for n in range(6)]
        await asyncio.sleep(0)
        waiting[2].cancel()
        await asyncio.sleep(0.006)
        # Its turn has come, or comes in this very step.
        for one in waiting[3:]:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.wait_for(desk.check("b"), 30)

    desk = Desk()
    asyncio.run(work(desk))
    assert desk.order[-1] == "@b"
