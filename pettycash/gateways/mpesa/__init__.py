"""M-Pesa over Safaricom's Daraja API: payments to customers (B2C v3) and their status."""

from pettycash.gateways.mpesa.codes import CodeMeaning, MpesaConfig
from pettycash.gateways.mpesa.gateway import MpesaGateway

__all__ = ["CodeMeaning", "MpesaConfig", "MpesaGateway"]
