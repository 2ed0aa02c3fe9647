"""How a large picture is cut into tiles: geometry only, in pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import index

from ncodec.codecs.base import Region
from ncodec.errors import OptionError


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: left, top (inclusive), right, bottom (exclusive)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def region(self) -> Region:
        """The same as x, y, width, height."""
        return self.left, self.top, self.width, self.height

    def meet(self, other: "Box") -> "Box":
        """The part that both share; width or height may come out 0 or negative."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def grow(self, margin: int) -> "Box":
        """The box with `margin` more on each side."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)

    def align(self, unit: int) -> "Box":
        """The smallest box around this one whose sides are multiples of `unit`."""
        return Box(
            self.left // unit * unit,
            self.top // unit * unit,
            -(-self.right // unit) * unit,
            -(-self.bottom // unit) * unit,
        )

    def move(self, left: int, top: int) -> "Box":
        """The same box seen from an origin at (left, top)."""
        return Box(self.left - left, self.top - top, self.right - left, self.bottom - top)

    def divide(self, unit: int) -> "Box":
        """The box in units of `unit` pixels; its sides must be multiples of it."""
        return Box(self.left // unit, self.top // unit, self.right // unit, self.bottom // unit)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


class TileGrid:
    """Square tiles of `side` pixels over a picture, numbered row by row; None: one tile."""

    def __init__(self, width: int, height: int, side: int | None) -> None:
        self.picture = Box(0, 0, width, height)
        self.side = side or max(width, height)
        self.columns = -(-width // self.side)
        self.rows = -(-height // self.side)

    def __len__(self) -> int:
        """Return the number of tiles."""
        return self.columns * self.rows

    def box(self, index: int) -> Box:
        """The pixels of one tile."""
        row, column = divmod(index, self.columns)
        corner = Box(0, 0, self.side, self.side).move(-column * self.side, -row * self.side)
        return corner.meet(self.picture)

    def touching(self, box: Box) -> Iterator[int]:
        """Numbers of the tiles that share pixels with `box`."""
        inside = box.meet(self.picture)
        for row in range(inside.top // self.side, -(-inside.bottom // self.side)):
            for column in range(inside.left // self.side, -(-inside.right // self.side)):
                yield row * self.columns + column


def region_box(region: Region | None, width: int, height: int) -> Box:
    """The region as a box, the whole picture for None. `OptionError` if it reaches outside."""
    if region is None:
        return Box(0, 0, width, height)
    try:
        x, y, w, h = (index(number) for number in region)
    except (TypeError, ValueError) as error:
        raise OptionError(f"region {region}: must be four integers x, y, width, height") from error
    box = Box(x, y, x + w, y + h)
    if w < 1 or h < 1 or box.meet(Box(0, 0, width, height)) != box:
        raise OptionError(f"region {x},{y},{w},{h} does not lie in the {width}x{height} picture")
    return box
