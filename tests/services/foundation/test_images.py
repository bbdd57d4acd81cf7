"""Pictures: what decodes is one, what only begins like one is not."""

import io
import struct
import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pettycash.services.foundation import images
from tests.factories.pictures import picture


def png_of(width: int, height: int, data: bytes) -> bytes:
    """A PNG that says a size and holds these bytes, compressed."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(data, 9)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (picture("PNG"), images.PNG),
        (picture("JPEG"), images.JPEG),
        (picture("JPEG", progressive=True), images.JPEG),
        (picture("WEBP"), images.WEBP),
        (picture("WEBP", lossless=True), images.WEBP),
        (picture("PNG") + b"what an editor left behind", images.PNG),
        (picture("JPEG", size=(2000, 1500)), images.JPEG),
    ],
    ids=["png", "jpeg", "progressive", "webp", "lossless webp", "with a tail", "large"],
)
def test_a_picture_that_decodes_is_one(content: bytes, expected: str) -> None:
    assert images.check(content) == expected


def test_a_photo_with_a_second_one_in_it_is_a_jpeg() -> None:
    file = io.BytesIO()
    first, second = (Image.open(io.BytesIO(picture("JPEG"))) for _ in range(2))
    first.save(file, "MPO", save_all=True, append_images=[second])

    assert images.check(file.getvalue()) == images.JPEG


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_picture_is_none(kind: str) -> None:
    whole = picture(kind, size=(640, 480))

    for cut in (8, 24, len(whole) // 2, len(whole) - 200):
        with pytest.raises(images.NotAnImage):
            images.check(whole[:cut])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n" + bytes(16),
        b"\xff\xd8\xff\xe0picture",
        b"RIFF\x10\x00\x00\x00WEBPVP8 ",
        picture("GIF"),
        picture("BMP"),
        picture("TIFF"),
        b"%PDF-1.7",
        png_of(4, 4, b"\x00" * 19),
        png_of(2**31 - 1, 2**31 - 1, b""),
        png_of(0, 0, b""),
    ],
    ids=["nothing", "24 bytes", "jpeg", "webp", "gif", "bmp", "tiff", "pdf", "short", "huge", "no"],
)
def test_bytes_that_only_begin_like_a_picture_are_none(content: bytes) -> None:
    with pytest.raises(images.NotAnImage):
        images.check(content)


def test_a_picture_that_unpacks_to_gigabytes_is_refused_before_it_does() -> None:
    bomb = png_of(60_000, 60_000, bytes(50_000_000))
    assert len(bomb) < 100_000

    with pytest.raises(images.NotAnImage, match="million pixels"):
        images.check(bomb)


def test_a_jpeg_of_a_thousand_passes_is_refused_unread() -> None:
    whole = picture("JPEG", progressive=True)

    with pytest.raises(images.NotAnImage, match="passes"):
        images.check(whole[:-2] + b"\xff\xda\x00\x08" * 1000 + whole[-2:])


def test_the_lock_is_free_after_a_refusal() -> None:
    with pytest.raises(images.NotAnImage):
        images.check(picture("PNG")[:40])
    done = threading.Thread(target=images.check, args=(picture("PNG"),))
    done.start()
    done.join(30)

    assert not done.is_alive()


@given(st.sampled_from(["PNG", "JPEG", "WEBP"]), st.data())
def test_damage_is_a_picture_or_a_refusal_and_nothing_else(kind: str, data: st.DataObject) -> None:
    content = bytearray(picture(kind, size=(32, 32), seed=1))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))

    try:
        found = images.check(bytes(content))
    except images.NotAnImage:
        return
    assert found in (images.PNG, images.JPEG, images.WEBP)
