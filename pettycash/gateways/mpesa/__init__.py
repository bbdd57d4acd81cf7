"""M-Pesa over Safaricom's Daraja API: payments to customers (B2C v3) and their status."""

from pettycash.gateways.mpesa.codes import MpesaConfig, Verdict
from pettycash.gateways.mpesa.gateway import MpesaGateway

__all__ = ["MpesaConfig", "MpesaGateway", "Verdict"]
