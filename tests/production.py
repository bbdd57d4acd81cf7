"""An environment that production starts with; the keys are made for this run."""

import secrets

from cryptography.fernet import Fernet

KEYS = {
    "PETTYCASH_SECRET_KEYS": Fernet.generate_key().decode("ascii"),
    "PETTYCASH_OTP_KEY": secrets.token_hex(32),
    "PETTYCASH_CALLBACK_KEY": secrets.token_hex(32),
    "PETTYCASH_CURSOR_KEY": secrets.token_hex(32),
}
ENVIRON = KEYS | {
    "PETTYCASH_ENV": "production",
    "PETTYCASH_CALLBACK_BASE_URL": "https://pay.example",
    "PETTYCASH_MAIL_FROM": "pettycash@pay.example",
    "DATABASE_URL": "postgresql://pettycash_app@db/pettycash",
    "REDIS_URL": "redis://pettycash:made-for-this-run@redis/0",
    "SMTP_URL": "smtp://mail:25",
}
