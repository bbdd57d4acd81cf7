"""Result codes and their texts: section 13 of the Daraja reference."""

from collections.abc import Mapping

SUCCESS = "0"
SUCCESS_TEXT = "The service request is processed successfully."

RESULT_TEXTS: Mapping[str, str] = {
    SUCCESS: SUCCESS_TEXT,
    "1": "The balance is insufficient for the transaction.",
    "2": "Declined due to limit rule: less than the minimum transaction amount.",
    "3": "Declined due to limit rule: greater than the maximum transaction amount.",
    "4": "Declined due to limit rule: would exceed daily transfer limit.",
    "5": "Declined due to limit rule: would exceed minimum balance.",
    "6": "Unresolved primary party",
    "7": "Unresolved receiver party",
    "8": "Declined due to limit rule: would exceed the maximum balance.",
    "10": "MSISDN not registered",
    "11": "The DebitParty is in an invalid state.",
    "12": "The CreditParty is in an invalid state.",
    "13": "Unresolved debit account",
    "14": "Unresolved credit account",
    "15": "Duplicate Detected",
    "17": "Internal Failure",
    "18": "Initiator Credential Check Failure",
    "19": "Message Sequencing Failure",
    "20": "Unresolved Initiator",
    "21": "The initiator is not allowed to initiate this request",
    "22": "Initiator to receiver permission failure",
    "24": "Missing mandatory fields",
    "25": "The format of parameter null is invalid",
    "26": "Traffic blocking condition in place",
    "29": "Invalid command",
    "1001": "Unable to lock subscriber",
    "1019": "Transaction has expired",
    "1025": "An error occurred while sending a push request",
    "1031": "Request cancelled by user",
    "1032": "Request cancelled by user",
    "1037": "DS timeout user cannot be reached",
    "2001": "The initiator information is invalid.",
    "2006": "Declined due to account rule: account status does not allow this transaction.",
    "2028": "The request is not permitted according to product assignment.",
    "2040": "Credit Party customer type can't be supported by the service.",
    "4999": "The transaction is still under processing",
    "8006": "The security credential is locked.",
    "9999": "An error occurred while sending a push request",
    "100000000": "Request was cached, waiting for resending",
    "100000001": "The system is overloaded",
    "100000002": "Throttling error",
    "100000004": "Internal Server Error",
    "100000005": "Invalid input value",
    "100000007": "The status of the service is abnormal",
    "100000009": "The status of the API is abnormal",
    "100000010": "Insufficient permissions",
    "100000011": "Exceed the limitation of request rate",
    "SFC_IC0003": "The operator does not exist.",
    "TP40153": "The operator has no permission or is not in the organisation",
}

_STATUS_OF_FAILURE: Mapping[str, str] = {
    "1019": "Expired",
    "1037": "Expired",
    "17": "Cancelled",
    "1031": "Cancelled",
    "1032": "Cancelled",
    "100000004": "Cancelled",
}


def result_text(code: str) -> str:
    """The text that comes with a result code; a code the documentation lacks gets a plain one."""
    return RESULT_TEXTS.get(code, f"Request failed with code {code}.")


def failure_status(code: str) -> str:
    """The `TransactionStatus` (section 6) that a payment refused with `code` has afterwards."""
    return _STATUS_OF_FAILURE.get(code, "Declined")
