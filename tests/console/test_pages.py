"""Pages in a real browser: looked at by axe, at three widths, without a foreign request."""

from tests.console.browsing import DESK, NARROW, PHONE, Browsing, look, shot


def test_raise_and_approve_on_a_phone(browser: Browsing) -> None:
    staff = browser("staff", size=PHONE)
    staff.goto("/console/")
    look(staff, "home", within=NARROW)
    staff.set_viewport_size(PHONE)
    staff.get_by_role("link", name="New", exact=True).click()
    staff.get_by_label("What is it for?").fill("Water for the office")
    staff.get_by_label("Who gets the money?").fill("Spring Water")
    staff.get_by_label("How are they paid?").select_option("mpesa")
    staff.get_by_label("Where to?").fill("0712345678")
    staff.get_by_label("Description").fill("Water")
    staff.get_by_label("Amount").fill("1,500.00")
    staff.get_by_label("Category").select_option("utilities")
    look(staff, "new requisition", within=NARROW)
    staff.set_viewport_size(PHONE)
    shot(staff, "new")
    staff.get_by_role("button", name="Save the draft").click()
    shot(staff, "draft")
    staff.get_by_role("button", name="Submit").click()
    staff.get_by_text("Submitted. Its approvers have been asked.").wait_for()
    manager = browser("branch_manager", size=PHONE)
    manager.goto("/console/approvals/")
    shot(manager, "approvals")
    manager.get_by_role("link", name="Decide").first.click()
    shot(manager, "decide")
    look(manager, "decide", within=NARROW)
    manager.get_by_role("button", name="Approve").click()
    manager.get_by_text("Approved.").wait_for()
    desk = browser("treasury", size=DESK)
    desk.goto("/console/requisitions/")
    shot(desk, "list")
    look(desk, "list", within=NARROW)


def test_a_draft_saves_itself_and_its_form_goes_on(browser: Browsing) -> None:
    staff = browser("staff")
    staff.clock.install()
    staff.goto("/console/requisitions/new/")
    staff.get_by_label("What is it for?").fill("Water for the office")
    staff.get_by_label("Who gets the money?").fill("Spring Water")
    staff.get_by_label("How are they paid?").select_option("mpesa")
    staff.get_by_label("Where to?").fill("0712345678")
    staff.get_by_label("Description").fill("Water")
    staff.get_by_label("Amount").fill("1500")
    staff.get_by_label("Category").select_option("utilities")
    staff.clock.run_for(31_000)
    staff.get_by_text("Saved as a draft at").wait_for()
    assert staff.url.endswith("/edit/")
    staff.get_by_label("Amount").fill("1600")
    staff.get_by_role("button", name="Save the draft").click()
    staff.get_by_text("KES 1,600.00").first.wait_for()
    staff.goto("/console/requisitions/")
    assert staff.get_by_role("link", name="REQ-").count() == 1


def test_who_reads_on_is_asked_whether_they_stay(browser: Browsing) -> None:
    staff = browser("staff")
    staff.clock.install()
    staff.goto("/console/")
    staff.clock.run_for(26 * 60_000)
    staff.get_by_role("button", name="Stay").click()
    staff.get_by_role("heading", name="Are you still there?").wait_for(state="hidden")


def test_all_of_it_works_without_scripts(browser: Browsing) -> None:
    staff = browser("staff", size=PHONE, scripts=False)
    staff.goto("/console/requisitions/new/")
    staff.get_by_label("What is it for?").fill("Water")
    staff.get_by_role("button", name="Another line").click()
    assert staff.get_by_label("What is it for?").input_value() == "Water"
    for number, amount in enumerate(("1000", "500")):
        staff.get_by_label("Description").nth(number).fill(f"Water {number}")
        staff.get_by_label("Amount").nth(number).fill(amount)
        staff.get_by_label("Category").nth(number).select_option("utilities")
    staff.get_by_role("button", name="Save the draft").click()
    staff.get_by_role("alert").get_by_role("link").first.click()
    staff.get_by_label("Who gets the money?").fill("Spring Water")
    staff.get_by_label("How are they paid?").select_option("mpesa")
    staff.get_by_label("Where to?").fill("0712345678")
    staff.get_by_role("button", name="Save the draft").click()
    staff.get_by_text("KES 1,500.00").first.wait_for()
    staff.get_by_role("button", name="Submit").click()
    staff.get_by_text("Submitted.").wait_for()
    staff.go_back()
    staff.get_by_text("Pending branch approval").wait_for()  # a page never comes out of a cache
