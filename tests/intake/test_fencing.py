"""The membership: over before another worker can have the partitions, confirmed by the group's coordinator alone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest

from pipeline.intake.fencing import Fenced, Membership, elapsed
from pipeline.intake.transport import confirm_by_answers

OK, ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING = 0, 22, 25, 27
HEARTBEAT = HeartbeatRequest("group", 7, "member")
SYNC = SyncGroupRequest("group", 7, "member", None, [])
LEAVE = LeaveGroupRequest("group", "member")
JOIN = JoinGroupRequest("group", 6000, 6000, "", None, "consumer", [])


@dataclass
class Answer:
    error_code: int


@dataclass
class Coordinator:
    """Stands for aiokafka's group coordinator and for the broker: answers so, and so late."""

    generation: int = 7
    error_code: int = OK
    takes_s: float = 0.0
    now: float = 100.0
    sent: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.membership = Membership(6.0, lambda: self.now)
        self._coordinator = self  # as aiokafka's consumer has it
        confirm_by_answers(self, self.membership)

    async def _send_req(self, request: Any) -> Answer:
        self.sent.append(request)
        self.now += self.takes_s
        return Answer(self.error_code)

    def says(self, request: Any, error_code: int = OK) -> None:
        self.error_code = error_code
        answer = run(self._send_req(request))
        assert answer.error_code == error_code
        assert self.sent[-1] is request


def run(work: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


@pytest.mark.parametrize("request_", [HEARTBEAT, SYNC])
def test_it_holds_for_the_session_timeout_from_when_a_confirmed_request_was_sent(request_: Any) -> None:
    kafka = Coordinator(takes_s=2.0)
    assert not kafka.membership.holds(7)
    kafka.says(request_)
    assert kafka.membership.holds(7)
    kafka.now = 105.9
    assert kafka.membership.holds(7)
    kafka.now = 106.0
    assert not kafka.membership.holds(7)


def test_it_holds_for_the_generation_that_was_confirmed_and_for_no_other() -> None:
    kafka = Coordinator()
    kafka.says(SYNC)
    assert not kafka.membership.holds(6)
    assert not kafka.membership.holds(8)


@pytest.mark.parametrize(("request_", "code"), [(HEARTBEAT, REBALANCING), (JOIN, OK)])
def test_an_answer_that_confirms_no_partitions_does_not_prolong_it(request_: Any, code: int) -> None:
    kafka = Coordinator()
    kafka.says(SYNC)
    kafka.now += 3
    kafka.says(request_, code)
    assert kafka.membership.holds(7)
    kafka.now += 3
    assert not kafka.membership.holds(7)


@pytest.mark.parametrize(
    ("request_", "code"), [(HEARTBEAT, ILLEGAL_GENERATION), (HEARTBEAT, UNKNOWN_MEMBER), (LEAVE, OK)]
)
def test_it_ends_with_the_membership(request_: Any, code: int) -> None:
    kafka = Coordinator()
    kafka.says(SYNC)
    kafka.says(request_, code)
    assert not kafka.membership.holds(7)
    with pytest.raises(Fenced):
        run(kafka.membership.held(7))


def test_work_waits_while_nothing_is_confirmed_and_goes_on_when_it_is() -> None:
    kafka = Coordinator()
    kafka.says(SYNC)
    kafka.now += 60

    async def test() -> None:
        waiting = asyncio.create_task(kafka.membership.held(7))
        await asyncio.sleep(0)
        assert not waiting.done()
        await kafka._send_req(HEARTBEAT)
        await waiting

    run(test())


def test_work_that_waits_is_given_up_when_another_generation_is_confirmed() -> None:
    kafka = Coordinator()
    kafka.says(SYNC)
    kafka.now += 60

    async def test() -> None:
        waiting = asyncio.create_task(kafka.membership.held(7))
        await asyncio.sleep(0)
        kafka.generation = 8
        await kafka._send_req(SYNC)
        await asyncio.wait([waiting])
        assert waiting.cancelled()

    run(test())


def test_its_clock_goes_forward() -> None:
    assert elapsed() < elapsed()
