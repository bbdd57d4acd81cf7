"""M-Pesa over Safaricom's Daraja API: payments to customers (B2C v3) and their status."""

from pettycash.gateways.mpesa.adapter import MpesaGateway
from pettycash.gateways.mpesa.codes import CodeMeaning, MpesaConfig

__all__ = ["CodeMeaning", "MpesaConfig", "MpesaGateway"]
