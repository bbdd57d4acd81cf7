"""Pictures that people upload: a receipt's photo, a signed voucher.

Bytes are a picture when they decode, whole, not when they begin like one. Decoding is bounded: one
picture at a time in a process, so many pixels, so many passes.
"""

import io
import threading

from PIL import Image

from pettycash.runtime import errors

PIXELS_MAX = 50_000_000
"""Beyond what phones make by default; 200 MB while it is decoded."""
SCANS_MAX = 100
"""Passes over the picture that a progressive JPEG may ask for; cameras and editors make ten."""

PNG = "image/png"
JPEG = "image/jpeg"
WEBP = "image/webp"

TOO_LARGE = f"A picture has at most {PIXELS_MAX // 1_000_000} million pixels."

_SCAN = b"\xff\xda"
_TYPES = {
    "PNG": PNG,
    "JPEG": JPEG,
    "MPO": JPEG,
    "WEBP": WEBP,
}  # MPO: a JPEG with further ones in it
_decoding = threading.Lock()


class NotAnImage(errors.RuleViolation):
    """The file is no PNG, JPEG or WebP picture that can be shown."""

    code = "attachment.not_an_image"


def looks_like_one(content: bytes) -> bool:
    """Whether the first bytes are those of a PNG, a JPEG or a WebP; says nothing of the rest."""
    return content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (
        content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    )


def check(content: bytes) -> str:
    """Decode a picture and forget it. Returns its media type.

    Raises:
        NotAnImage: another format, truncated, damaged, or larger than can be decoded safely.
    """
    if not looks_like_one(content):
        raise NotAnImage
    if content.startswith(b"\xff\xd8") and content.count(_SCAN) > SCANS_MAX:
        raise NotAnImage("This JPEG asks for too many passes.")
    with _decoding:
        try:
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as picture:
                width, height = picture.size
                if width * height > PIXELS_MAX:
                    raise NotAnImage(TOO_LARGE)
                picture.draft(picture.mode, (256, 256))  # a JPEG need not be held in full
                picture.load()
                return _TYPES[str(picture.format)]
        except NotAnImage:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise NotAnImage(TOO_LARGE) from error
        except Exception as error:  # a decoder stumbles over damage in many ways
            raise NotAnImage("The picture is damaged or incomplete.") from error
