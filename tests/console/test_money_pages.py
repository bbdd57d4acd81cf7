"""The pages of money in a real browser: each once, by axe and at 320 px."""

import os
from pathlib import Path

from playwright.sync_api import Page

from tests.console.browsing import DESK, NARROW, PHONE, Browsing, look
from tests.console.test_payments import app_code, made
from tests.console.test_treasury import low_fund
from tests.factories import payments as making


def seen(page: Page, name: str, path: str = "") -> None:
    """Look at a page, narrow too; keep its picture where SHOTS says so."""
    if path:
        answer = page.goto(path)
        assert answer is not None, name
        assert answer.ok, f"{name}: {answer.status}"
    if "SHOTS" in os.environ:
        for size, word in ((DESK, "desk"), (PHONE, "phone")):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            place = Path(os.environ["SHOTS"]) / f"{name}-{word}.png"
            page.screenshot(path=str(place), full_page=True)
    look(page, name, within=NARROW)
    page.set_viewport_size(DESK)  # type: ignore[arg-type]


def test_each_page_of_payments(browser: Browsing) -> None:
    paid, cash = made(making.pending), made(making.cash)
    treasurer = browser("treasury_2")
    seen(treasurer, "payments", "/console/payments/")
    seen(treasurer, "payment", paid)
    seen(treasurer, "variance-form", f"{paid}variance/")
    treasurer.goto(paid)
    treasurer.get_by_role("link", name="Release", exact=True).click()
    treasurer.get_by_role("button", name="Send me a code").click()
    treasurer.get_by_text("The code is good for 4:5").wait_for()
    treasurer.get_by_label("Code").fill(app_code("treasury_2"))
    seen(treasurer, "release-code")
    treasurer.get_by_role("button", name="Check the code").click()
    seen(treasurer, "release-pay")
    treasurer.get_by_role("button", name="Pay KES 1,500.00 now").click()
    treasurer.get_by_text("Released: the money is held.").wait_for()
    seen(treasurer, "payment-sent")
    seen(treasurer, "executions", "/console/executions/")
    seen(treasurer, "exchanges", "/console/exchanges/")
    custodian = browser("custodian")
    custodian.goto(f"{cash}release/")
    custodian.get_by_role("button", name="Send me a code").click()
    custodian.get_by_label("Code").fill(app_code("custodian"))
    custodian.get_by_role("button", name="Check the code").click()
    custodian.get_by_role("button", name="Pay KES 1,500.00 now").click()
    custodian.get_by_role("link", name="Hand out the cash").click()
    box = custodian.locator("canvas").bounding_box()
    assert box is not None
    custodian.mouse.move(box["x"] + 20, box["y"] + 20)
    custodian.mouse.down()
    custodian.mouse.move(box["x"] + 120, box["y"] + 60, steps=4)
    custodian.mouse.up()
    custodian.get_by_text("Signed.").wait_for()
    seen(custodian, "pay-out")
    custodian.get_by_label("Who stands by?").select_option(index=1)
    custodian.get_by_role("button", name="Keep the signature").click()
    custodian.get_by_text("Kept. The witness confirms it").wait_for()


def test_each_page_of_funds(browser: Browsing) -> None:
    fund, replenishment = low_fund()
    treasurer = browser("treasury")
    seen(treasurer, "treasury", "/console/treasury/")
    made(making.executing)
    treasurer.evaluate("document.dispatchEvent(new Event('pc-tick'))")
    treasurer.get_by_text("KES 1,500.00").wait_for()
    seen(treasurer, "funds", "/console/funds/")
    seen(treasurer, "fund", fund)
    seen(treasurer, "fund-form", "/console/funds/new/")
    seen(treasurer, "statement", f"{fund}statement/")
    seen(treasurer, "replenishments", "/console/replenishments/")
    seen(treasurer, "replenishment", replenishment)
    seen(treasurer, "variances", "/console/variances/")
    manager = browser("group_finance_manager")
    manager.goto(f"{replenishment}approve/")
    manager.get_by_role("button", name="Approve").click()
    seen(treasurer, "replenishment-send", f"{replenishment}release/")
