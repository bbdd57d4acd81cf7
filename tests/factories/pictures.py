"""Pictures as phones and scanners make them."""

import io
import random

from PIL import Image


def picture(
    kind: str = "PNG",
    size: tuple[int, int] = (16, 16),
    *,
    seed: int | None = None,
    **options: object,
) -> bytes:
    """A picture of random colours, so that no two are alike unless a seed is given."""
    made = Image.new("RGB", size)
    dice = random.Random(seed)
    made.putpixel((0, 0), (dice.randrange(256), dice.randrange(256), dice.randrange(256)))
    made.putpixel((1, 1), (dice.randrange(256), dice.randrange(256), dice.randrange(256)))
    file = io.BytesIO()
    made.save(file, kind, **options)
    return file.getvalue()
