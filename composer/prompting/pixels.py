"""Measures a picture in a child process with limits: it may be broken or hostile. Before: an upload. After: picture.py.

Only size and pixels are looked at; nothing else of the file (place, camera, date) is read, and the picture is not kept."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MOST_BYTES = 8 * 1024 * 1024
MOST_PIXELS = 40_000_000
SIDE = 256
"""Pixels of the longer side of what is measured."""
MOST_MEMORY_BYTES = 1024**3
MOST_CPU_SECONDS = 10
MOST_SECONDS = 30.0
"""Wall clock: a busy machine gives the child its CPU seconds late."""


class UnreadablePicture(ValueError):  # noqa: N818 – beside UnreadableMusic
    """A file that can't be read as a picture; the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Properties:
    """What a picture is like. Shares are 0 … 1."""

    width: int
    height: int
    brightness: float
    """Mean luma: 0 black, 1 white."""
    contrast: float
    """Standard deviation of the luma, over the greatest there is."""
    saturation: float
    """Mean of (max − min) of the three colours: 0 grey, 1 pure colours."""
    hue: float
    """Direction of the mean colour in degrees: 0 red, 120 green, 240 blue. Means little where the saturation is low."""
    warmth: float
    """−1 blue … 1 orange: mean of red minus blue."""
    edges: float
    """Mean difference of the luma between neighbours, times eight: 0 plain, 1 full of detail."""


def measure(content: bytes) -> Properties:
    """The properties of a picture, measured in a child process. Raises UnreadablePicture."""
    _check_size(content)
    root = Path(__file__).resolve().parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "composer.prompting.pixels"]
    try:
        child = subprocess.run(command, input=content, capture_output=True, timeout=MOST_SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise UnreadablePicture(f"reading it took more than {MOST_SECONDS:g} seconds") from None
    if child.returncode == 0:
        return Properties(**json.loads(child.stdout))
    if child.returncode == 3:
        raise UnreadablePicture(child.stderr.decode("utf-8", "replace").strip().splitlines()[-1])
    raise UnreadablePicture(
        f"reading it needed more than {MOST_CPU_SECONDS} seconds of CPU or {MOST_MEMORY_BYTES // 2**20} MiB of memory"
    )


def _check_size(content: bytes) -> None:
    if not content:
        raise UnreadablePicture("it is empty")
    if len(content) > MOST_BYTES:
        raise UnreadablePicture(f"it has {len(content) / 2**20:.1f} MiB; at most {MOST_BYTES // 2**20} MiB are read")


def measure_in_process(content: bytes) -> Properties:
    """As `measure`, without a child: only for pictures one trusts, or in a child."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    _check_size(content)
    # The bound is checked below, where the message can name it.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise UnreadablePicture(
                    f"it has {width} × {height} = {width * height / 1e6:.0f} million pixels; "
                    f"at most {MOST_PIXELS // 1_000_000} million are read"
                )
            # A JPEG is decoded smaller at once; every other format whole.
            picture.draft("RGB", (SIDE, SIDE))
            small = picture.convert("RGBA")
            small.thumbnail((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=None)
    except UnreadablePicture:
        raise
    except UnidentifiedImageError:
        raise UnreadablePicture(f"it is no picture that is read here; there are {', '.join(FORMATS)}") from None
    except MemoryError:
        raise UnreadablePicture("reading it needs too much memory") from None
    except Exception as error:  # the decoders raise many classes on bad input
        raise UnreadablePicture(f"it can't be read as a picture: {_first_line(error)}") from error
    white = Image.new("RGBA", small.size, "white")
    rgb_HW3 = np.asarray(Image.alpha_composite(white, small).convert("RGB"), dtype=np.float64) / 255
    luma_HW = rgb_HW3 @ np.array([0.299, 0.587, 0.114])
    red, green, blue = rgb_HW3.mean(axis=(0, 1))
    steps = [np.abs(np.diff(luma_HW, axis=axis)).mean() for axis in (0, 1) if luma_HW.shape[axis] > 1]
    return Properties(
        width=width,
        height=height,
        brightness=_share(luma_HW.mean()),
        contrast=_share(2 * luma_HW.std()),
        saturation=_share((rgb_HW3.max(axis=2) - rgb_HW3.min(axis=2)).mean()),
        hue=round(float(np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)) % 360), 1) % 360,
        warmth=round(float(red - blue), 3),
        edges=_share(8 * float(np.mean(steps)) if steps else 0.0),
    )


def _share(value: float) -> float:
    return round(min(max(float(value), 0.0), 1.0), 3)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]


def main() -> None:
    """The child: reads standard input under limits, writes JSON; exit 3 with the reason on standard error."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        properties = measure_in_process(sys.stdin.buffer.read())
    except UnreadablePicture as error:
        sys.stderr.write(f"\n{_first_line(error)}\n")
        raise SystemExit(3) from None
    sys.stdout.write(json.dumps(asdict(properties)))


if __name__ == "__main__":
    main()
