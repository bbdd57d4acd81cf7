"""The units and the approval policy of the demo organisation, as tables and what writes them.

Everything here runs inside the transaction that bootstraps a company, so rows may name each other
by code and nothing needs a second person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.access import Branch, CostCenter, Department, Position, Region, Role
from pettycash.models.approvals import ApprovalThreshold, ThresholdOrigin
from pettycash.models.base import new_id
from pettycash.models.imprest import StoreKind

R = Role


@dataclass(frozen=True)
class StoreSpec:
    """Where a part of a fund lies and what it opens with."""

    code: str
    name: str
    kind: StoreKind
    opening: str


@dataclass(frozen=True)
class FundSpec:
    """A fund; its custodians are named by persona."""

    code: str
    name: str
    currency: str
    branch: str
    custodian: str
    alternate: str | None
    target: str
    reorder: str
    cash_limit: str
    stores: tuple[StoreSpec, ...]


@dataclass(frozen=True)
class CompanySpec:
    """One company of the demo."""

    name: str
    currency: str
    regions: Mapping[str, str]
    branches: Mapping[str, tuple[str, str]]
    """Code → region's code, name."""
    departments: Mapping[str, str]
    provider_account: tuple[str, str]
    """Its code and shortcode."""
    escalation_approver: str
    funds: tuple[FundSpec, ...]


HEAD_OFFICE = "HQ"

SHARE, DRAWER = StoreKind.PROVIDER_SHARE, StoreKind.DRAWER

COMPANIES: Mapping[str, CompanySpec] = {
    "DEMO": CompanySpec(
        name="Demo organisation",
        currency="KES",
        regions={"NAIROBI": "Nairobi region", "COAST": "Coast region"},
        branches={
            "WESTLANDS": ("NAIROBI", "Westlands"),
            "MOMBASA": ("COAST", "Mombasa"),
            "HQ": ("NAIROBI", "Head office"),
        },
        departments={"OPS": "Operations", "FIN": "Finance"},
        provider_account=("MPESA-DEMO", "600992"),
        escalation_approver="escalation",
        funds=(
            FundSpec(
                "WESTLANDS", "Westlands petty cash", "KES", "WESTLANDS",
                "custodian", "custodian_2", "50000.00", "40000.00", "5000.00",
                (
                    StoreSpec("WESTLANDS-MPESA", "Westlands on M-Pesa", SHARE, "40000.00"),
                    StoreSpec("WESTLANDS-DRAWER", "Westlands cash drawer", DRAWER, "10000.00"),
                ),
            ),
            FundSpec(
                "MOMBASA", "Mombasa petty cash", "KES", "MOMBASA",
                "custodian_mombasa", None, "20000.00", "10000.00", "5000.00",
                (StoreSpec("MOMBASA-DRAWER", "Mombasa cash drawer", DRAWER, "20000.00"),),
            ),
            FundSpec(
                "HQ", "Head office petty cash", "KES", "HQ",
                "custodian_hq", None, "1000000.00", "400000.00", "10000.00",
                (StoreSpec("HQ-MPESA", "Head office on M-Pesa", SHARE, "1000000.00"),),
            ),
            FundSpec(
                "HQ-UGX", "Head office petty cash, Uganda shillings", "UGX", "HQ",
                "custodian_hq", None, "2000000", "500000", "300000",
                (StoreSpec("HQ-UGX-DRAWER", "Head office drawer, UGX", DRAWER, "2000000"),),
            ),
        ),
    ),
    "OTHER": CompanySpec(
        name="Other organisation",
        currency="KES",
        regions={"WEST": "Western region"},
        branches={"KISUMU": ("WEST", "Kisumu")},
        departments={"OPS": "Operations"},
        provider_account=("MPESA-OTHER", "600993"),
        escalation_approver="other_escalation",
        funds=(
            FundSpec(
                "KISUMU", "Kisumu petty cash", "KES", "KISUMU",
                "other_custodian", None, "50000.00", "20000.00", "5000.00",
                (
                    StoreSpec("KISUMU-MPESA", "Kisumu on M-Pesa", SHARE, "40000.00"),
                    StoreSpec("KISUMU-DRAWER", "Kisumu cash drawer", DRAWER, "10000.00"),
                ),
            ),
        ),
    ),
}  # fmt: skip

POSITIONS = {"OFFICER": ("Officer", 1), "HEAD": ("Head", 5)}


LIMITS = {
    "KES": ("10000.00", "50000.00", "250000.00", None),
    "UGX": ("300000", "1500000", "7500000", None),
    "USD": ("100.00", "500.00", "2500.00", None),
}
"""Currency → the upper end of each tier; None is no limit."""

CHAINS: Mapping[ThresholdOrigin, tuple[tuple[Role, ...], ...]] = {
    ThresholdOrigin.BRANCH: (
        (R.BRANCH_MANAGER,),
        (R.BRANCH_MANAGER, R.REGIONAL_MANAGER, R.GROUP_FINANCE_MANAGER),
        (R.BRANCH_MANAGER, R.REGIONAL_MANAGER, R.GROUP_FINANCE_MANAGER),
        (R.BRANCH_MANAGER, R.GROUP_FINANCE_MANAGER, R.CFO, R.CEO),
    ),
    ThresholdOrigin.ANY: (
        (R.DEPARTMENT_HEAD,),
        (R.DEPARTMENT_HEAD, R.GROUP_FINANCE_MANAGER),
        (R.DEPARTMENT_HEAD, R.GROUP_FINANCE_MANAGER),
        (R.DEPARTMENT_HEAD, R.GROUP_FINANCE_MANAGER, R.CFO, R.CEO),
    ),
}
FASTTRACK_TIERS = (2, 3)
CFO_TIERS = (3,)


@dataclass
class Units:
    """The units of a company by code."""

    regions: dict[str, UUID] = field(default_factory=dict)
    branches: dict[str, UUID] = field(default_factory=dict)
    departments: dict[str, UUID] = field(default_factory=dict)
    cost_centers: dict[str, UUID] = field(default_factory=dict)
    positions: dict[str, UUID] = field(default_factory=dict)
    funds: dict[str, UUID] = field(default_factory=dict)
    """Known before the funds are written, as custodians are assigned to them first."""
    region_of: dict[str, str] = field(default_factory=dict)

    def place(
        self, *, branch: str | None, department: str | None, position: str
    ) -> dict[str, UUID]:
        """Where a person works, as columns of a membership."""
        place = {"position_id": self.positions[position]}
        if branch is not None:
            place["branch_id"] = self.branches[branch]
            place["region_id"] = self.regions[self.region_of[branch]]
        if department is not None:
            place["department_id"] = self.departments[department]
        if branch is not None and department is not None:
            place["cost_center_id"] = self.cost_centers[f"{branch}-{department}"]
        return place

    def reached_by(self, role: Role, code: str | None) -> UUID | None:
        """The unit or fund that a role is held for."""
        if code is None:
            return None
        places = {
            R.BRANCH_MANAGER: self.branches,
            R.REGIONAL_MANAGER: self.regions,
            R.DEPARTMENT_HEAD: self.departments,
            R.CUSTODIAN: self.funds,
        }
        return places[role][code]


def write_units(session: Session, company_id: UUID, spec: CompanySpec) -> Units:
    """Regions, branches, departments, a cost centre for each pair, positions."""
    units = Units(region_of={code: region for code, (region, _) in spec.branches.items()})
    tenant = {"company_id": company_id}
    for code, name in spec.regions.items():
        units.regions[code] = new_id()
        session.add(Region(id=units.regions[code], code=code, name=name, **tenant))
    for code, name in spec.departments.items():
        units.departments[code] = new_id()
        session.add(Department(id=units.departments[code], code=code, name=name, **tenant))
    for code, (title, level) in POSITIONS.items():
        units.positions[code] = new_id()
        session.add(
            Position(id=units.positions[code], code=code, title=title, level=level, **tenant)
        )
    # The session orders rows by relationships, and there are none: each level is flushed.
    session.flush()
    for code, (region, name) in spec.branches.items():
        units.branches[code] = new_id()
        session.add(
            Branch(
                id=units.branches[code],
                code=code,
                name=name,
                region_id=units.regions[region],
                is_head_office=code == HEAD_OFFICE,
                **tenant,
            )
        )
    session.flush()
    for code, (_, name) in spec.branches.items():
        for department, department_id in units.departments.items():
            pair = f"{code}-{department}"
            units.cost_centers[pair] = new_id()
            session.add(
                CostCenter(
                    id=units.cost_centers[pair],
                    code=pair,
                    name=f"{name}, {spec.departments[department]}",
                    branch_id=units.branches[code],
                    department_id=department_id,
                    **tenant,
                )
            )
    units.funds = {fund.code: new_id() for fund in spec.funds}
    session.flush()
    return units


def write_thresholds(
    session: Session,
    company_id: UUID,
    now: datetime,
    limits: Mapping[str, tuple[str | None, ...]] = LIMITS,
) -> None:
    """Four tiers without a gap, for every currency and for both origins."""
    for currency, ends in limits.items():
        for origin, chains in CHAINS.items():
            below = Decimal(0)
            for tier, (limit, roles) in enumerate(zip(ends, chains, strict=True), start=1):
                upper = Decimal(limit) if limit is not None else None
                session.add(
                    ApprovalThreshold(
                        company_id=company_id,
                        currency=currency,
                        origin=origin,
                        tier=tier,
                        name=f"{currency} {origin.value} tier {tier}",
                        min_amount=below,
                        max_amount=upper,
                        roles_sequence=[role.value for role in roles],
                        allow_urgent_fasttrack=tier in FASTTRACK_TIERS,
                        requires_cfo=tier in CFO_TIERS,
                        valid_from=now,
                    )
                )
                below = upper or below
