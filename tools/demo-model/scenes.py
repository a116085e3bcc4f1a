"""Draws the places: a picture of 4:3 for each, with colours, horizon and details by chance."""

import numpy as np
from PIL import ImageFilter

from canvas import Canvas
from world import NIGHT, PLACES


def beach(c):
    horizon, shore = c.between(0.3, 0.42), c.between(0.52, 0.66)
    c.sky(horizon)
    c.fade(horizon, shore + 0.05, c.color(20, 105, 175), c.color(70, 190, 205))
    c.ridge(shore + 0.03, 0.03, 9, c.color(235, 245, 245))
    c.ridge(shore + 0.06, 0.03, 9, c.color(236, 208, 150))
    for _ in range(c.rng.integers(1, 3)):
        c.stamp("🌴", c.between(-0.15, 0.15) if c.chance(0.5) else c.between(0.85, 1.15), c.between(0.6, 0.75), c.between(0.35, 0.55))
    c.scatter("🐚⭐", c.rng.integers(0, 4), 0.75, 1, 0.05)


def snow(c):
    horizon = c.between(0.35, 0.5)
    c.sky(horizon + 0.08)
    c.ridge(horizon + 0.06, 0.1, 6, c.color(205, 218, 235, spread=10))
    c.ridge(horizon + 0.14, 0.05, 5, c.color(242, 246, 252, spread=6))
    c.scatter("🌲", c.rng.integers(0, 4), horizon, horizon + 0.14, 0.16)
    for _ in range(c.rng.integers(30, 90)):
        c.disc(c.between(c.left, c.right), c.between(0, 1), c.between(0.004, 0.013), c.color(250, 252, 255, spread=4))


def forest(c):
    c.fade(0, 1, c.color(70, 125, 75), c.color(30, 70, 35))
    if c.is_night:
        c.stars(0.3, 15)
    for _ in range(c.rng.integers(8, 15)):
        x, width = c.between(c.left, c.right), c.between(0.02, 0.06)
        c.box(x, 0, x + width, c.between(0.55, 0.72), c.color(80, 55, 35))
    c.scatter("🌲🌳🌲", c.rng.integers(9, 15), 0.4, 0.66, 0.34)
    c.ridge(0.68, 0.06, 12, c.color(52, 88, 38))
    c.scatter("🌿🍃🍂", c.rng.integers(3, 8), 0.72, 1, 0.07)


def desert(c):
    horizon = c.between(0.35, 0.5)
    c.sky(horizon + 0.1)
    for step, base in enumerate(((214, 150, 80), (226, 170, 96), (236, 186, 112))):
        c.ridge(horizon + 0.06 + step * c.between(0.08, 0.14), 0.09, 5, c.color(*base))
    c.scatter("🌵", c.rng.integers(2, 5), horizon + 0.08, 0.75, 0.24)


def city(c):
    horizon = c.between(0.58, 0.7)
    c.sky(horizon)
    x = c.left
    while x < c.right:
        width, top = c.between(0.1, 0.22), c.between(0.05, 0.4)
        c.box(x, top, x + width, horizon, c.color(135, 130, 140, spread=45))
        glass = (250, 220, 120) if c.is_night else c.color(190, 215, 235)
        for row in np.arange(top + 0.03, horizon - 0.04, 0.055):
            for column in np.arange(x + 0.015, x + width - 0.03, 0.045):
                if c.chance(0.7):
                    c.box(column, row, column + 0.022, row + 0.03, glass)
        x += width + c.between(0, 0.02)
    c.box(c.left, horizon, c.right, horizon + 0.05, c.color(165, 165, 160))
    c.box(c.left, horizon + 0.05, c.right, 1, c.color(72, 74, 80))
    for x in np.arange(c.left + c.between(0, 0.2), c.right, 0.24):
        c.box(x, 0.86, x + 0.12, 0.885, c.color(235, 235, 225))


def mountains(c):
    c.sky(0.78)
    for _ in range(c.rng.integers(3, 6)):
        x, top, half = c.between(c.left, c.right), c.between(0.08, 0.32), c.between(0.3, 0.5)
        c.polygon([(x - half, 0.75), (x, top), (x + half, 0.75)], c.color(112, 114, 128))
        cap = 0.28
        zigzag = [(x + half * cap * share, top + (0.75 - top) * cap * (1 if step % 2 else 0.75)) for step, share in enumerate((0.98, 0.5, 0, -0.5, -0.98))]
        c.polygon([(x, top), *zigzag], c.color(245, 247, 252, spread=6))
    c.ridge(c.between(0.66, 0.72), 0.04, 7, c.color(104, 122, 84))
    for _ in range(c.rng.integers(4, 12)):
        c.disc(c.between(c.left, c.right), c.between(0.75, 1), c.between(0.015, 0.04), c.color(130, 128, 126), 0.6)


def meadow(c):
    horizon = c.between(0.32, 0.48)
    c.sky(horizon + 0.08)
    c.ridge(horizon + 0.05, 0.08, 5, c.color(110, 180, 90))
    c.ridge(horizon + 0.12, 0.04, 5, c.color(104, 196, 74))
    c.scatter("🌷🌼🌸🌼", c.rng.integers(8, 18), horizon + 0.14, 1, 0.06)


def kitchen(c):
    wall, tile, edge = c.color(238, 228, 205), c.between(0.09, 0.14), c.between(0.58, 0.68)
    c.box(c.left, 0, c.right, 1, wall)
    for x in np.arange(c.left, c.right, tile):
        c.box(x, 0, x + 0.006, edge, c.color(200, 195, 185, spread=6))
    for y in np.arange(0.02, edge, tile):
        c.box(c.left, y, c.right, y + 0.006, c.color(200, 195, 185, spread=6))
    shade = c.color(150, 105, 70, spread=40)
    for x in np.arange(c.left, c.right, 0.33):
        c.box(x + 0.01, 0, x + 0.32, 0.18, shade)
        c.disc(x + 0.28, 0.15, 0.01, (230, 230, 220))
    c.scatter("🍳🔪🥄🍶🫖", c.rng.integers(2, 5), edge - 0.02, edge, 0.14)
    c.box(c.left, edge, c.right, edge + 0.05, c.color(205, 200, 198))
    c.box(c.left, edge + 0.05, c.right, 1, shade)


def living_room(c):
    floor = c.between(0.56, 0.66)
    c.box(c.left, 0, c.right, floor, c.color(205, 170, 150, spread=45))
    x = c.between(0.05, 0.75)
    c.box(x, 0.08, x + 0.28, 0.34, (250, 250, 245))
    c.box(x + 0.02, 0.1, x + 0.26, 0.32, c.color(165, 205, 240))
    c.box(x + 0.135, 0.1, x + 0.145, 0.32, (250, 250, 245))
    c.box(c.left, floor, c.right, 1, c.color(165, 115, 70))
    for y in np.arange(floor, 1, 0.07):
        c.box(c.left, y, c.right, y + 0.004, c.color(120, 80, 48, spread=6))
    c.disc(0.5, 0.86, c.between(0.4, 0.6), c.color(160, 60, 70, spread=40), 0.25)
    c.stamp("🛋️", c.between(0.1, 0.9), floor + 0.1, c.between(0.3, 0.4))
    c.stamp("🪴", c.between(-0.1, 0.1) if c.chance(0.5) else c.between(0.9, 1.1), floor + 0.05, c.between(0.2, 0.3))


def library(c):
    c.box(c.left, 0, c.right, 1, c.color(95, 62, 40))
    floor = c.between(0.7, 0.8)
    for shelf in np.arange(0.0, floor, c.between(0.15, 0.2)):
        x = c.left
        while x < c.right:
            width, height = c.between(0.018, 0.045), c.between(0.1, 0.135)
            c.box(x, shelf + 0.14 - height, x + width - 0.004, shelf + 0.14, c.color(130, 110, 100, spread=90))
            x += width + (c.between(0.02, 0.06) if c.chance(0.05) else 0)
    c.box(c.left, floor, c.right, 1, c.color(140, 105, 75))


def sea(c):
    c.fade(0, 1, c.color(40, 150, 205), c.color(8, 45, 105))
    for _ in range(c.rng.integers(2, 5)):
        x = c.between(c.left, c.right)
        c.polygon([(x, 0), (x + 0.06, 0), (x + c.between(0.2, 0.4), 0.8), (x + 0.1, 0.8)], c.color(62, 160, 205))
    c.ridge(0.95, 0.07, 8, c.color(150, 145, 110))
    c.scatter("🪸🌿🪸", c.rng.integers(3, 7), 0.92, 1, 0.15)
    for _ in range(c.rng.integers(15, 40)):
        x, y, radius = c.between(c.left, c.right), c.between(0, 0.95), c.between(0.006, 0.02)
        c.disc(x, y, radius, c.color(170, 220, 240))
        c.disc(x, y, radius * 0.65, c.color(70, 150, 200))


def space(c):
    c.fade(0, 1, c.color(10, 6, 28, spread=8), c.color(28, 10, 50, spread=10))
    for _ in range(c.rng.integers(2, 5)):
        c.disc(c.between(c.left, c.right), c.between(0, 1), c.between(0.1, 0.3), c.color(48, 22, 80, spread=16), c.between(0.3, 0.8))
    c.stars(1, 120)
    for _ in range(c.rng.integers(1, 4)):
        c.stamp("🪐🌍🌕☄️"[c.rng.integers(3)], c.between(c.left, c.right), c.between(0.2, 1), c.between(0.12, 0.3))


DRAWN = {
    "beach": beach, "snow": snow, "forest": forest, "desert": desert, "city": city, "mountains": mountains, "meadow": meadow,
    "kitchen": kitchen, "living room": living_room, "library": library, "sea": sea, "space": space,
}


def draw_scene(place, time, width, height, rng):
    """The empty place as RGB."""
    canvas = Canvas(width, height, time == NIGHT, rng)
    DRAWN[PLACES[place].name](canvas)
    return canvas.image.filter(ImageFilter.GaussianBlur(height * canvas.between(0.0005, 0.004)))
