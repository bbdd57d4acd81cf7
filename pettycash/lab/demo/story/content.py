"""What the people of the story buy, and from whom."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Purchase:
    """One kind of purchase: purpose, payee, lines with category and share of the whole."""

    purpose: str
    payee: str
    lines: tuple[tuple[str, str, int], ...]


SMALL = (
    Purchase(
        "Drinking water for the office, two weeks", "Spring Water", (("Refills", "utilities", 1),)
    ),
    Purchase(
        "Tea, milk and sugar for the kitchen",
        "Corner grocery",
        (("Tea and sugar", "meals", 2), ("Milk", "meals", 1)),
    ),
    Purchase(
        "Courier to the county offices", "City couriers", (("Two envelopes", "communication", 1),)
    ),
    Purchase("Taxi to the bank and back", "Taxi driver", (("Fare", "travel", 1),)),
    Purchase(
        "Cleaning supplies",
        "Cleaning supplies shop",
        (("Detergent", "office_supplies", 2), ("Mops", "office_supplies", 1)),
    ),
    Purchase("Airtime for the field phones", "Airtime shop", (("Airtime", "communication", 1),)),
    Purchase("Lock of the store room repaired", "Locksmith", (("Repair", "maintenance", 1),)),
    Purchase("First-aid box filled up", "Pharmacy", (("Bandages", "medical", 1),)),
    Purchase("Printing of visitor forms", "Print shop", (("500 forms", "stationery", 1),)),
    Purchase("Fuel for the generator", "Petrol station", (("Diesel", "fuel", 1),)),
    Purchase("Lunch for the stock count", "Canteen", (("Twelve lunches", "meals", 1),)),
    Purchase("Bulbs for the front office", "Electrical shop", (("Bulbs", "maintenance", 1),)),
)

LARGE = (
    Purchase(
        "Printer paper and toner for the quarter",
        "Stationery wholesaler",
        (("Paper", "stationery", 2), ("Toner", "office_supplies", 3)),
    ),
    Purchase(
        "Service of the delivery van", "Garage", (("Service", "maintenance", 3), ("Oil", "fuel", 1))
    ),
    Purchase(
        "Travel to the county meeting, three people",
        "Travel agency",
        (("Bus tickets", "travel", 2), ("Two nights", "travel", 3)),
    ),
    Purchase(
        "Air conditioner of the server room", "Cooling engineer", (("Repair", "maintenance", 1),)
    ),
    Purchase(
        "Training day for the cashiers",
        "Training centre",
        (("Room", "other", 1), ("Meals", "meals", 1)),
    ),
    Purchase(
        "Internet of the branch, one quarter", "Internet provider", (("Line", "communication", 1),)
    ),
    Purchase("Three office chairs", "Furniture workshop", (("Chairs", "office", 1),)),
)

FLEET = Purchase(
    "New tyres for all delivery vans",
    "Tyre dealer",
    (("Tyres", "maintenance", 3), ("Fitting", "maintenance", 1)),
)

CHANGES = "Please add the supplier's quotation."
REFUSAL = "This was bought last month already."
WITHDRAWAL = "The supplier can't deliver."
HOLD = "The payee's name and number don't fit yet."
REMAINDER = "The rest of the order was not delivered."
SLIP = "The bundle was one note short."
