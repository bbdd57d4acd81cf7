"""Who decides, in which order: every rule by example, then laws that hold for any organisation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pettycash.models.access import Role
from pettycash.services.approvals.resolution import (
    ESCALATION_APPROVER,
    RANKS,
    TREASURY_REQUESTER,
    ApprovalSubject,
    Chain,
    Holder,
    MissingScope,
    NoApprover,
    People,
    Policy,
    resolve,
)

R = Role
DEPARTMENT, OTHER_DEPARTMENT = UUID(int=101), UUID(int=102)
BRANCH, OTHER_BRANCH = UUID(int=201), UUID(int=202)
REGION, OTHER_REGION = UUID(int=301), UUID(int=302)
UNIT = {
    R.DEPARTMENT_HEAD: DEPARTMENT,
    R.BRANCH_MANAGER: BRANCH,
    R.REGIONAL_MANAGER: REGION,
}
REQUESTER = UUID(int=1)
SUBJECT = ApprovalSubject(
    requester_id=REQUESTER, department_id=DEPARTMENT, branch_id=BRANCH, region_id=REGION
)


def person(number: int) -> UUID:
    return UUID(int=number)


def holds(number: int, role: Role, scope: UUID | None = None) -> Holder:
    return Holder(user_id=person(number), role=role, scope_id=scope or UNIT.get(role))


FULL = [
    holds(11, R.DEPARTMENT_HEAD),
    holds(12, R.BRANCH_MANAGER),
    holds(13, R.REGIONAL_MANAGER),
    holds(14, R.GROUP_FINANCE_MANAGER),
    holds(15, R.CFO),
    holds(16, R.CEO),
]
BY_ROLE = dict(zip(RANKS, range(11, 17), strict=True))
STAND_IN = 99


def chain(
    *roles: str,
    holders: Sequence[Holder] = FULL,
    without: Sequence[Role] = (),
    subject: ApprovalSubject = SUBJECT,
    tier: int = 2,
    requires_cfo: bool = False,
    load: Mapping[UUID, int] | None = None,
    stand_in: int | None = STAND_IN,
) -> Chain:
    return resolve(
        Policy(tier=tier, roles_sequence=roles, requires_cfo=requires_cfo),
        subject,
        People(
            holders=[each for each in holders if each.role not in without],
            open_approvals=load or {},
            escalation_approver_id=None if stand_in is None else person(stand_in),
        ),
    )


def people_of(found: Chain) -> list[int]:
    return [step.user_id.int for step in found.steps]


def roles_of(found: Chain) -> list[str]:
    return [step.role for step in found.steps]


def test_each_role_is_taken_by_its_holder_in_order() -> None:
    found = chain("branch_manager", "regional_manager", "group_finance_manager")

    assert people_of(found) == [12, 13, 14]
    assert roles_of(found) == ["branch_manager", "regional_manager", "group_finance_manager"]
    assert not any(step.auto_escalated for step in found.steps)
    assert found.override is None
    assert found.skipped_roles == ()


@pytest.mark.parametrize("role", [R.DEPARTMENT_HEAD, R.BRANCH_MANAGER, R.REGIONAL_MANAGER])
def test_a_role_of_a_unit_is_looked_for_in_that_unit_only(role: Role) -> None:
    elsewhere = {
        R.DEPARTMENT_HEAD: OTHER_DEPARTMENT,
        R.BRANCH_MANAGER: OTHER_BRANCH,
        R.REGIONAL_MANAGER: OTHER_REGION,
    }[role]
    others = [holds(2, role, elsewhere), *(each for each in FULL if each.role is not role)]

    found = chain(role.value, holders=others)

    assert person(2) not in {step.user_id for step in found.steps}
    assert found.steps[0].auto_escalated


@pytest.mark.parametrize("role", [R.GROUP_FINANCE_MANAGER, R.CFO, R.CEO])
def test_a_centralised_role_needs_no_unit(role: Role) -> None:
    nowhere = ApprovalSubject(requester_id=REQUESTER)

    assert people_of(chain(role.value, subject=nowhere)) == [BY_ROLE[role]]


@pytest.mark.parametrize(
    ("role", "unit"),
    [
        (R.DEPARTMENT_HEAD, "department_id"),
        (R.BRANCH_MANAGER, "branch_id"),
        (R.REGIONAL_MANAGER, "region_id"),
    ],
)
def test_a_missing_unit_is_refused_and_named(role: Role, unit: str) -> None:
    lacking = replace(SUBJECT, **{unit: None})

    with pytest.raises(MissingScope) as refusal:
        chain(role.value, "cfo", subject=lacking)

    assert set(refusal.value.errors) == {unit}


def test_escalation_passes_over_ranks_whose_unit_is_missing() -> None:
    hq = replace(SUBJECT, branch_id=None, region_id=None)

    found = chain("department_head", subject=hq, without=[R.DEPARTMENT_HEAD])

    assert roles_of(found) == ["group_finance_manager"]


def test_the_requester_never_decides() -> None:
    both = [*FULL, Holder(user_id=REQUESTER, role=R.BRANCH_MANAGER, scope_id=BRANCH)]

    assert people_of(chain("branch_manager", holders=both)) == [12]
    alone = [each for each in both if each.user_id != person(12)]
    found = chain("branch_manager", holders=alone)
    assert people_of(found) == [13]
    assert found.steps[0].original_role is R.BRANCH_MANAGER


def test_who_has_another_duty_never_decides() -> None:
    paid = replace(SUBJECT, barred=frozenset({person(12)}))

    assert people_of(chain("branch_manager", subject=paid)) == [13]


def test_nobody_stands_in_the_chain_twice() -> None:
    double = [*FULL, holds(12, R.GROUP_FINANCE_MANAGER)]
    without_14 = [each for each in double if each.user_id != person(14)]

    found = chain("branch_manager", "group_finance_manager", holders=without_14)

    assert people_of(found) == [12, 15]
    assert found.steps[1].auto_escalated


def test_the_least_loaded_candidate_is_chosen_then_the_lowest_id() -> None:
    three = [holds(number, R.CFO) for number in (33, 31, 32)]

    assert people_of(chain("cfo", holders=three)) == [31]
    assert people_of(chain("cfo", holders=three, load={person(31): 1})) == [32]
    loads = {person(31): 2, person(32): 1, person(33): 1}
    assert people_of(chain("cfo", holders=three, load=loads)) == [32]


@pytest.mark.parametrize("missing", range(1, len(RANKS)))
def test_an_empty_step_is_taken_by_the_next_higher_rank(missing: int) -> None:
    gone = RANKS[:missing]

    found = chain("department_head", without=gone)

    step = found.steps[0]
    assert step.role == RANKS[missing].value
    assert step.original_role is R.DEPARTMENT_HEAD
    assert step.auto_escalated
    assert "department_head" in str(step.escalation_reason)
    assert RANKS[missing].value in str(step.escalation_reason)


def test_escalation_never_goes_downward() -> None:
    with pytest.raises(NoApprover):
        chain("ceo", without=[R.CEO], stand_in=None)


def test_a_step_without_any_higher_rank_goes_to_the_escalation_approver() -> None:
    found = chain("cfo", "ceo", without=[R.CEO])

    assert people_of(found) == [15, STAND_IN]
    step = found.steps[1]
    assert step.role == ESCALATION_APPROVER
    assert step.original_role is R.CEO
    assert step.auto_escalated


@pytest.mark.parametrize("stand_in", [None, 1, 15])
def test_no_escalation_approver_or_one_who_is_a_party_is_refused(stand_in: int | None) -> None:
    with pytest.raises(NoApprover):
        chain("cfo", "ceo", without=[R.CEO], stand_in=stand_in)


def test_two_empty_steps_can_not_both_go_to_the_escalation_approver() -> None:
    with pytest.raises(NoApprover):
        chain("cfo", "ceo", without=[R.CFO, R.CEO])


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        (("branch_manager",), ["branch_manager", "cfo"]),
        (("branch_manager", "ceo"), ["branch_manager", "cfo", "ceo"]),
        (("ceo",), ["cfo", "ceo"]),
        (("cfo", "ceo"), ["cfo", "ceo"]),
        (("cfo", "group_finance_manager"), ["cfo", "group_finance_manager"]),
    ],
)
def test_a_required_cfo_stands_before_the_ceo_or_last(
    sequence: tuple[str, ...], expected: list[str]
) -> None:
    assert roles_of(chain(*sequence, requires_cfo=True)) == expected


def test_a_required_cfo_is_not_replaced_by_the_ceo() -> None:
    found = chain("branch_manager", requires_cfo=True, without=[R.CFO])

    assert people_of(found) == [12, STAND_IN]
    assert found.steps[1].original_role is R.CFO
    with pytest.raises(NoApprover):
        chain("branch_manager", requires_cfo=True, without=[R.CFO], stand_in=None)


def test_a_cfo_who_is_merely_in_the_sequence_escalates_to_the_ceo() -> None:
    assert people_of(chain("cfo", without=[R.CFO])) == [16]


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        (1, ["department_head", "group_finance_manager"]),
        (2, ["group_finance_manager", "cfo"]),
        (3, ["group_finance_manager", "cfo"]),
        (4, ["cfo", "ceo"]),
        (5, ["cfo", "ceo"]),
        (10, ["cfo", "ceo"]),
    ],
)
def test_a_requester_of_treasury_gets_the_override_by_tier_number(
    tier: int, expected: list[str]
) -> None:
    of_treasury = [*FULL, Holder(user_id=REQUESTER, role=R.TREASURY)]

    found = chain("branch_manager", holders=of_treasury, tier=tier)

    assert roles_of(found) == expected
    assert found.override == TREASURY_REQUESTER


def test_a_required_cfo_stays_required_under_the_override() -> None:
    of_treasury = [*FULL, Holder(user_id=REQUESTER, role=R.TREASURY)]

    found = chain("branch_manager", holders=of_treasury, tier=1, requires_cfo=True)

    assert roles_of(found) == ["department_head", "group_finance_manager", "cfo"]


def test_somebody_elses_treasury_role_changes_nothing() -> None:
    found = chain("branch_manager", holders=[*FULL, holds(50, R.TREASURY)])

    assert found.override is None


def test_roles_that_never_approve_are_left_out_of_imported_sequences() -> None:
    found = chain("Staff", "BRANCH_MANAGER", "treasury", "fp&a")

    assert roles_of(found) == ["branch_manager"]
    assert found.skipped_roles == ("Staff", "treasury", "fp&a")


def test_a_sequence_of_none_that_approve_is_refused() -> None:
    with pytest.raises(NoApprover):
        chain("staff", "treasury")
    assert roles_of(chain("staff", requires_cfo=True)) == ["cfo"]


# Laws, over random organisations.

UNITS = {
    R.DEPARTMENT_HEAD: (DEPARTMENT, OTHER_DEPARTMENT),
    R.BRANCH_MANAGER: (BRANCH, OTHER_BRANCH),
    R.REGIONAL_MANAGER: (REGION, OTHER_REGION),
}
someone = st.integers(min_value=1, max_value=12).map(person)


@st.composite
def holder(draw: st.DrawFn) -> Holder:
    role = draw(st.sampled_from([*RANKS, R.TREASURY, R.STAFF]))
    scope = draw(st.sampled_from(UNITS[role])) if role in UNITS else None
    return Holder(user_id=draw(someone), role=role, scope_id=scope)


@st.composite
def case(draw: st.DrawFn) -> tuple[Policy, ApprovalSubject, People]:
    sequence = draw(
        st.lists(st.sampled_from(RANKS), min_size=1, max_size=6, unique=True).map(
            lambda roles: [role.value for role in roles]
        )
    )
    extra = draw(st.lists(st.sampled_from(["staff", "treasury", "fpa"]), max_size=2))
    units = {
        "department_id": DEPARTMENT,
        "branch_id": draw(st.sampled_from([BRANCH, BRANCH, None])),
        "region_id": draw(st.sampled_from([REGION, REGION, None])),
    }
    return (
        Policy(
            tier=draw(st.integers(1, 6)),
            roles_sequence=draw(st.permutations([*sequence, *extra])),
            requires_cfo=draw(st.booleans()),
        ),
        ApprovalSubject(
            requester_id=draw(someone), barred=draw(st.frozensets(someone, max_size=2)), **units
        ),
        People(
            holders=draw(st.lists(holder(), max_size=14)),
            open_approvals=draw(st.dictionaries(someone, st.integers(0, 5))),
            escalation_approver_id=draw(st.none() | someone),
        ),
    )


def outcome(policy: Policy, subject: ApprovalSubject, people: People) -> Chain | str:
    try:
        return resolve(policy, subject, people)
    except (NoApprover, MissingScope) as refusal:
        return refusal.code


@given(case())
def test_never_self_never_twice_never_downward_and_always_an_end(
    given_case: tuple[Policy, ApprovalSubject, People],
) -> None:
    policy, subject, people = given_case
    found = outcome(policy, subject, people)
    if isinstance(found, str):
        return
    chosen = [step.user_id for step in found.steps]
    assert subject.requester_id not in chosen
    assert subject.barred.isdisjoint(chosen)
    assert len(set(chosen)) == len(chosen)
    for step in found.steps:
        if step.role == ESCALATION_APPROVER:
            assert step.user_id == people.escalation_approver_id
            assert step.auto_escalated
            continue
        taken, asked = RANKS.index(Role(step.role)), RANKS.index(step.original_role)
        assert taken >= asked
        assert step.auto_escalated is (taken > asked)
        scope = {
            R.DEPARTMENT_HEAD: subject.department_id,
            R.BRANCH_MANAGER: subject.branch_id,
            R.REGIONAL_MANAGER: subject.region_id,
        }.get(Role(step.role))
        assert Holder(user_id=step.user_id, role=Role(step.role), scope_id=scope) in people.holders
        if policy.requires_cfo and step.original_role is R.CFO:
            assert step.role == R.CFO


@given(case())
def test_no_step_is_dropped(given_case: tuple[Policy, ApprovalSubject, People]) -> None:
    policy, subject, people = given_case
    found = outcome(policy, subject, people)
    if isinstance(found, str):
        return
    if found.override is None:
        asked = [role for role in policy.roles_sequence if role in {rank.value for rank in RANKS}]
    else:
        asked = {1: ["department_head", "group_finance_manager"]}.get(
            policy.tier,
            ["group_finance_manager", "cfo"] if policy.tier <= 3 else ["cfo", "ceo"],
        )
    originals = [step.original_role.value for step in found.steps]
    added = [role for role in originals if role not in asked]
    assert [role for role in originals if role in asked] == asked
    assert added == (["cfo"] if policy.requires_cfo and "cfo" not in asked else [])


@given(case(), st.randoms())
def test_same_input_same_chain_whatever_the_order_of_rows(
    given_case: tuple[Policy, ApprovalSubject, People], shuffler: object
) -> None:
    policy, subject, people = given_case
    rows = list(people.holders)
    shuffler.shuffle(rows)  # type: ignore[attr-defined]
    shuffled = replace(people, holders=[*rows, *rows[:3]])

    assert outcome(policy, subject, shuffled) == outcome(policy, subject, people)


@given(case())
def test_a_refusal_means_that_somebody_is_really_missing(
    given_case: tuple[Policy, ApprovalSubject, People],
) -> None:
    """With a full set of strangers and a stand-in, nothing but a missing unit is ever refused."""
    policy, subject, people = given_case
    strangers = [
        Holder(
            user_id=person(100 + 10 * index + step),
            role=role,
            scope_id={
                R.DEPARTMENT_HEAD: DEPARTMENT,
                R.BRANCH_MANAGER: BRANCH,
                R.REGIONAL_MANAGER: REGION,
            }.get(role),
        )
        for index, role in enumerate(RANKS)
        for step in range(7)
    ]
    full = replace(people, holders=[*people.holders, *strangers])

    assert outcome(policy, subject, full) != NoApprover.code
