"""Make the pictures of the page in docs/images/ anew: a real play that failed, as a browser shows it.

It needs Chromium and the page, built: what the tests of the page need. Times in the pictures differ from
one run to the next, so that nothing compares them.

    python tools/screenshots.py
"""

import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from playwright.sync_api import expect  # noqa: E402  # the path comes first

from support.browsing import Browsing, run_play, visiting  # noqa: E402
from support.serving import serving  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 790}
MOST_BYTES = 150_000
MOST_COLOURS = 256
SETTLES_MS = 700
"""For what is drawn after an answer: nothing of the page says when a picture is at rest."""
NAMES = {"light": "play-light.png", "dark": "play-dark.png"}
INVOICES = '''
import time
from concurrent.futures import ThreadPoolExecutor


def read_page(page):
    with flow.step("fetch", page=page) as step:
        time.sleep(0.03 + (page * 5 % 11) / 150)
        step.log(f"{40 + page} invoices")
    return 40 + page


def convert(batch):
    with flow.step("convert", batch=batch):
        time.sleep(0.024)
        with flow.step("check totals") as step:
            time.sleep(0.03)
            if batch == 3:
                step.log("row 941: amount 1,204.50, currency empty", level="warning")
                raise ValueError("row 941 has no currency")


@flow
def import_invoices(pages: int = 5, source: str = "https://ledger.example/invoices") -> int:
    """Read invoices, convert what they come to, and book them."""
    with flow.step("connect") as step:
        step.tag(source=source)
        time.sleep(0.05)
    with flow.step("read"), ThreadPoolExecutor(2) as pool:
        found = sum(pool.map(read_page, range(pages)))
    with flow.step("match customers") as step:
        time.sleep(0.04)
        step.log(f"{found} invoices of 112 customers")
    with flow.step("convert amounts"):
        for batch in range(1, 4):
            convert(batch)
    with flow.step("book"):
        time.sleep(0.05)
    return found
'''


def main() -> int:
    """Take them."""
    IMAGES.mkdir(exist_ok=True)
    browsing = Browsing()
    with tempfile.TemporaryDirectory(prefix="hero-") as directory, serving(Path(directory)) as server:
        server.publish("import_invoices", INVOICES)
        sid = run_play(server, "import_invoices", pages=5)
        with browsing.used() as browser:
            for scheme, name in NAMES.items():
                with visiting(browser, server, viewport=SIZE, color_scheme=scheme) as visit:
                    visit.log_in()
                    page = visit.go(f"/p/{sid}")
                    expect(page.get_by_role("region", name="Details")).to_contain_text("row 941")
                    expect(page.locator("[aria-busy=true]")).to_have_count(0)
                    expect(page.get_by_text("As the library has it now.")).to_be_visible()
                    page.evaluate(
                        "new Promise(done => setTimeout(done, 500))"
                    )  # what is drawn after an answer
                    picture = smaller(page.screenshot())
                (IMAGES / name).write_bytes(picture)
                print(f"docs/images/{name}: {len(picture):,} bytes")
                if len(picture) > MOST_BYTES:
                    print(f"it is larger than {MOST_BYTES:,} bytes", file=sys.stderr)
                    return 1
    browsing.close()
    return 0


def smaller(png: bytes) -> bytes:
    """The same picture with a palette: a third of its size, and nobody sees it.

    A screenshot has a few dozen colours and the shades between them at the edges of letters: the commonest
    256 stand for all. Source: the PNG specification, "Indexed-colour" and "Filter type 0".
    """
    width, height, pixels = decoded(png)
    colours = [bytes(pixels[at : at + 3]) for at in range(0, len(pixels), 3)]
    counted = Counter(colours)
    palette = [colour for colour, _ in counted.most_common(MOST_COLOURS)]
    index = {colour: nearest(colour, palette) for colour in counted}
    return encoded(width, height, bytes(index[colour] for colour in colours), b"".join(palette))


def nearest(colour: bytes, palette: list[bytes]) -> int:
    """The place in the palette of the colour that differs least."""
    return min(
        range(len(palette)),
        key=lambda at: sum((one - other) ** 2 for one, other in zip(colour, palette[at], strict=True)),
    )


def decoded(png: bytes) -> tuple[int, int, bytearray]:
    """Width, height and the red, green and blue of each pixel."""
    chunks = list(chunks_of(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, kind) in ((8, 2), (8, 6)), "a screenshot has colours of eight bits"
    size = 3 if kind == 2 else 4
    packed = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    rows = unfiltered(packed, width * size, size)
    if size == 3:
        return width, height, rows
    return width, height, bytearray(rows[at] for at in range(len(rows)) if at % 4 != 3)


def chunks_of(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each part."""
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def unfiltered(packed: bytes, stride: int, size: int) -> bytearray:
    """The rows as they are; each says first how it was written."""
    rows = bytearray()
    above = bytearray(stride)
    for start in range(0, len(packed), stride + 1):
        row = bytearray(packed[start + 1 : start + 1 + stride])
        kind = packed[start]
        for at in range(stride):
            left = row[at - size] if at >= size else 0
            corner = above[at - size] if at >= size else 0
            row[at] = (row[at] + predicted(kind, left, above[at], corner)) & 255
        rows += row
        above = row
    return rows


def predicted(kind: int, left: int, up: int, corner: int) -> int:
    """What a filter takes a byte for."""
    if kind == 4:
        guess = left + up - corner
        return min((left, up, corner), key=lambda one: abs(guess - one))
    return (0, left, up, (left + up) // 2)[kind]


def encoded(width: int, height: int, places: bytes, palette: bytes) -> bytes:
    """A PNG of places in a palette, without filters, which only hurt where areas are flat."""
    rows = b"".join(b"\0" + places[at : at + width] for at in range(0, len(places), width))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


if __name__ == "__main__":
    sys.exit(main())
