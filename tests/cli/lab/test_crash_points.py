"""`crash-points` says what it lacks, and reads what the tests reported."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pettycash.cli.lab import crash_points
from pettycash.cli.lab.crash_points import Run

REPORT = """
<testsuites><testsuite>
  <testcase name="one"><properties>
    <property name="point" value="payments.sending"/><property name="fault" value="kill"/>
    <property name="hits" value="1"/><property name="seconds" value="3.25"/>
  </properties></testcase>
  <testcase name="two"><properties>
    <property name="point" value="payments.claimed"/><property name="fault" value="cut"/>
    <property name="hits" value="1"/><property name="seconds" value="3.25"/>
  </properties><failure message="two movements"/></testcase>
  <testcase name="three"><properties>
    <property name="point" value="payments.claimed"/><property name="fault" value="raise"/>
  </properties><error message="the system did not start"/></testcase>
</testsuite></testsuites>
"""


def test_where_there_are_no_tests_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crash_points, "PRODUCT", crash_points.ROOT / "nowhere" / "test_product.py")

    done = CliRunner().invoke(crash_points.crash_points, ["--json"])

    assert done.exit_code == 1
    assert "nowhere/test_product.py is not here" in done.output


def test_what_failed_has_not_recovered(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT, encoding="utf-8")

    assert crash_points._read(report) == [
        Run(point="payments.claimed", fault="cut", hits=1, recovered_seconds=None),
        Run(point="payments.claimed", fault="raise", hits=0, recovered_seconds=None),
        Run(point="payments.sending", fault="kill", hits=1, recovered_seconds=3.25),
    ]


def test_the_table_has_a_column_for_each_fault(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        Run(point="a.b", fault="kill", hits=1, recovered_seconds=2.0),
        Run(point="a.b", fault="cut", hits=1, recovered_seconds=None),
    ]

    crash_points._print(runs)

    assert capsys.readouterr().out.splitlines() == ["point\tkill\tcut", "a.b\t1x 2.0 s\tFAILED"]
