"""Puts people into drawn places, with the boxes and landmarks of their faces."""

import io
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from canvas import emoji
from faces.people import BOX
from pictures import GRAIN
from scenes import draw_scene
from world import DAY, NIGHT, NO_TIME, PLACES, THINGS

WIDTH, HEIGHT = 640, 480
# What looks a little like a face, and is none.
FACELIKE = "🐱🐶🐭🐹🐰🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐴🦄🦉🤖👽🎃👻⛄🧸🌝🐲"
OTHERS = [thing.emoji for thing in THINGS for _ in range(2)] + list(FACELIKE)


class Face(NamedTuple):
    """A face in a picture: `box` as left, top, right, bottom; `points` as in Person.points."""

    person: object
    box: np.ndarray
    points: np.ndarray


def box_of(points):
    """Upright around the eyes, as large as BOX says."""
    eyes, span = points[:2].mean(0), np.hypot(*(points[1] - points[0]))
    return np.tile(eyes, 2) + BOX * span


@lru_cache(maxsize=4_000)
def sprite(person, span, angle, mirrored):
    """A person as RGBA with eyes `span` pixels apart, turned by some degrees; and the landmarks in it."""
    source, points = emoji(person.emoji), person.points
    scale = span / np.hypot(*(points[1] - points[0]))
    size = (max(1, round(source.width * scale)), max(1, round(source.height * scale)))
    image = source.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    points = points * (np.array(size) / source.size)
    turned = image.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    points = (points - np.array(image.size) / 2) @ np.array(((cos, -sin), (sin, cos))) + np.array(turned.size) / 2
    pixels = np.asarray(turned)
    if mirrored:
        pixels = pixels[:, ::-1]
        points = points[[1, 0, 2, 4, 3]] * (-1, 1) + (turned.width, 0)
    return pixels, points


def paste(picture, pixels, left, top, light):
    """Lays RGBA pixels onto a float picture, as far as they are in it."""
    height, width = picture.shape[:2]
    rows, columns = pixels.shape[:2]
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + columns), min(height, top + rows)
    if x0 >= x1 or y0 >= y1:
        return
    part = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
    region = picture[y0:y1, x0:x1]
    region += part[:, :, 3:].astype(np.float32) / 255 * (part[:, :, :3] * light - region)


def overlaps(one, other, most=0.0):
    """Whether one rectangle covers more than a share of the other."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width > 0 and height > 0 and width * height > most * (other[2] - other[0]) * (other[3] - other[1])


def add_people(picture, cast, spans, light, rng, tries=12):
    """Sets people here and there, nobody before another's face; who finds no room is left out. Answers the faces."""
    height, width = picture.shape[:2]
    faces, taken = [], []
    for person, span in zip(cast, spans):
        angle = int(rng.normal(0, 9) / 3) * 3
        pixels, points = sprite(person, max(4, round(span)), angle, bool(rng.random() < 0.5))
        box = box_of(points)
        low, high = -box[:2] + 1, (width, height) - box[2:] - 1
        if (high <= low).any():
            continue
        for _ in range(tries):
            left, top = rng.integers(np.ceil(low), np.maximum(high, low + 1)).astype(int)
            place, whole = box + np.tile((left, top), 2), (left, top, left + pixels.shape[1], top + pixels.shape[0])
            if not any(overlaps(whole, face.box, 0.02) or overlaps(other, place, 0.02) for face, other in zip(faces, taken)):
                paste(picture, pixels, left, top, light)
                faces.append(Face(person, place, points + (left, top)))
                taken.append(whole)
                break
    return faces


def add_others(picture, count, light, rng):
    """Animals and things; before the people, so that they hide no face."""
    for _ in range(count):
        size = int(np.exp(rng.uniform(np.log(20), np.log(picture.shape[0]))))
        image = emoji(OTHERS[rng.integers(len(OTHERS))]).resize((size, size), Image.Resampling.BILINEAR)
        image = image.rotate(int(rng.integers(-2, 3)) * 7, Image.Resampling.BILINEAR)
        left, top = int(rng.integers(-size // 3, picture.shape[1])), int(rng.integers(-size // 3, picture.shape[0]))
        paste(picture, np.asarray(image), left, top, light)


def develop(picture, rng, blur=1.4):
    """What a camera does: brightness, grain, blur, JPEG."""
    picture = picture * rng.uniform(0.72, 1.15) + rng.uniform(-8, 8)
    start = rng.integers(GRAIN.size - picture.size)
    picture += rng.uniform(0.5, 7) * GRAIN[start : start + picture.size].reshape(picture.shape)
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(0.2, blur))))
    if rng.random() < 0.4:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(35, 95)))
        pixels = np.asarray(Image.open(file))
    return pixels


def light_of(rng):
    return rng.uniform(0.8, 1.12) * rng.uniform(0.94, 1.06, 3).astype(np.float32)


def draw_place(rng):
    """An empty place as an array; one in three at night where there is a night."""
    place = int(rng.integers(len(PLACES)))
    time = NO_TIME if not PLACES[place].has_night else NIGHT if rng.random() < 0.33 else DAY
    return np.asarray(draw_scene(place, time, WIDTH, HEIGHT, rng))


class Backgrounds:
    """Parts of places. The places are used many times, and replaced one by one."""

    def __init__(self, rng, count):
        self.rng = rng
        self.places = [draw_place(rng) for _ in range(count)]

    def whole(self):
        """A place as a float picture."""
        if self.rng.random() < 0.02:
            self.places[self.rng.integers(len(self.places))] = draw_place(self.rng)
        return self.places[self.rng.integers(len(self.places))].astype(np.float32)

    def cut(self, side):
        """A square of any part of a place, as a float picture of `side` pixels."""
        rng, place = self.rng, self.whole().astype(np.uint8)
        size = int(rng.integers(min(side, 160), HEIGHT + 1))
        left, top = int(rng.integers(WIDTH - size + 1)), int(rng.integers(HEIGHT - size + 1))
        part = Image.fromarray(place).resize((side, side), Image.Resampling.BILINEAR, (left, top, left + size, top + size))
        return np.asarray(part, np.float32).copy()


def crowd(backgrounds, people, side, rng):
    """
    A square picture for the detector, with its faces: nobody to eight people, faces of 22 to 300 pixels. One of a whole
    place's width is that place, with black below.
    """
    picture, light = backgrounds.whole() if side == WIDTH else backgrounds.cut(side), light_of(rng)
    add_others(picture, int(rng.integers(1, 7)) if rng.random() < 0.8 else 0, light, rng)
    count = 0 if rng.random() < 0.2 else int(rng.integers(1, 9))
    # The more people, the further away.
    largest = min(300, side * 1.1 / np.sqrt(max(1, count)))
    sizes = np.sort(np.exp(rng.uniform(np.log(22), np.log(largest), count)))[::-1]
    cast = [people[rng.integers(len(people))] for _ in range(count)]
    faces = add_people(picture, cast, sizes / 2, light, rng)
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[: len(picture)] = develop(picture, rng)
    end = int(rng.integers(side // 2, side))
    if rng.random() < 0.15 and all(face.box[3] < end for face in faces):
        # What is below a picture that is no square.
        pixels[end:] = 0
    return pixels, faces
