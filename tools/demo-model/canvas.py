"""A picture to draw places on, and emojis to put there."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
# The only size that the font's bitmaps have.
FONT_SIZE = 109


@lru_cache(maxsize=None)
def emoji(character):
    """An emoji as RGBA, cut to what is not transparent."""
    font = ImageFont.truetype(FONT, FONT_SIZE)
    image = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((10, 10), character, font=font, embedded_color=True)
    return image.crop(image.getchannel("A").getbbox())


class Canvas:
    """A picture to draw on. Places and lengths are shares of its height; the middle square is 0..1 in both axes."""

    def __init__(self, width, height, is_night, rng):
        self.image = Image.new("RGB", (width, height))
        self.draw = ImageDraw.Draw(self.image)
        self.height, self.left, self.right = height, (1 - width / height) / 2, (1 + width / height) / 2
        self.is_night, self.rng = is_night, rng

    def between(self, low, high):
        return float(self.rng.uniform(low, high))

    def chance(self, share):
        return self.rng.random() < share

    def color(self, *base, spread=18):
        """About this colour, in the light of the hour."""
        light = np.array((0.36, 0.4, 0.58)) if self.is_night else np.ones(3)
        return tuple(np.clip((np.array(base) + self.rng.uniform(-spread, spread, 3)) * light, 0, 255).astype(int).tolist())

    def to_pixels(self, points):
        return [((x - self.left) * self.height, y * self.height) for x, y in points]

    def polygon(self, points, color):
        self.draw.polygon(self.to_pixels(points), fill=color)

    def box(self, x0, y0, x1, y1, color):
        (a, b), (c, d) = self.to_pixels([(x0, y0), (x1, y1)])
        self.draw.rectangle((a, b, max(a, c), max(b, d)), fill=color)

    def disc(self, x, y, radius, color, flat=1.0):
        (a, b), (c, d) = self.to_pixels([(x - radius, y - radius * flat), (x + radius, y + radius * flat)])
        self.draw.ellipse((a, b, max(a, c), max(b, d)), fill=color)

    def fade(self, y0, y1, top, bottom):
        """A band over the whole width whose colour changes from top to bottom."""
        first, last = int(y0 * self.height), int(np.ceil(y1 * self.height))
        for row in range(first, last):
            share = (row - first) / max(1, last - first)
            color = tuple(int(a + (b - a) * share) for a, b in zip(top, bottom))
            self.draw.line((0, row, self.image.width, row), fill=color)

    def sky(self, horizon):
        if not self.is_night:
            self.fade(0, horizon, self.color(90, 160, 235, spread=35), self.color(190, 220, 245, spread=25))
            if self.chance(0.4):
                self.disc(self.between(self.left, self.right), self.between(0.05, 0.2), self.between(0.04, 0.09), (255, 236, 150))
            for _ in range(self.rng.integers(0, 4)):
                self.cloud(self.between(self.left, self.right), self.between(0.03, horizon * 0.7), self.between(0.04, 0.09))
            return
        self.fade(0, horizon, (4, 6, 26), (16, 24, 66))
        self.stars(horizon, 40)
        x, y, radius = self.between(0, 1), self.between(0.06, 0.2), self.between(0.04, 0.08)
        self.disc(x, y, radius, (240, 236, 205))
        if self.chance(0.6):
            self.disc(x + radius * 0.5, y - radius * 0.2, radius * 0.9, (8, 11, 36))

    def cloud(self, x, y, size):
        for _ in range(4):
            self.disc(x + self.between(-1.2, 1.2) * size, y + self.between(-0.2, 0.2) * size, size, self.color(244, 246, 250, spread=6), 0.5)

    def stars(self, horizon, count):
        for _ in range(count):
            light = int(self.between(140, 255))
            self.disc(self.between(self.left, self.right), self.between(0, horizon), self.between(0.002, 0.006), (light, light, light))

    def ridge(self, y, height, steps, color):
        """Land whose upper edge goes up and down by chance, filled to the bottom."""
        xs = np.linspace(self.left, self.right, steps)
        points = [(float(x), y - self.between(0, height)) for x in xs]
        self.polygon([(self.left, 1), *points, (self.right, 1)], color)
        return points

    def stamp(self, character, x, base, size):
        """An emoji that belongs to the place, standing at a base line."""
        source = emoji(character)
        height = max(2, int(size * self.height))
        sprite = source.resize((max(2, source.width * height // source.height), height), Image.Resampling.BILINEAR)
        if self.is_night:
            alpha = sprite.getchannel("A")
            sprite = Image.blend(sprite.convert("RGB"), Image.new("RGB", sprite.size, (8, 10, 40)), 0.55)
            sprite.putalpha(alpha)
        left, top = self.to_pixels([(x, base - size)])[0]
        self.image.paste(sprite, (int(left - sprite.width / 2), int(top)), sprite)

    def scatter(self, characters, count, top, bottom, size):
        """Such emojis here and there, those further down nearer and larger."""
        for base in sorted(self.rng.uniform(top, bottom, count)):
            near = 0.6 + 0.8 * (base - top) / max(0.01, bottom - top)
            self.stamp(characters[self.rng.integers(len(characters))], self.between(self.left, self.right), base, size * near)
