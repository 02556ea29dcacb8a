# SPDX-FileCopyrightText: the fcmae authors
# SPDX-License-Identifier: MIT
"""Writes the golden files of the image tests, with Pillow 12.2.0 and NumPy. Run in this folder.

NAME.jpg / NAME.png with NAME.rgb: the pixels that Pillow decodes, [height, width, 3].
augment_*.rgb: the operations of RandAugment. shard.tar: a WebDataset shard. resize_input.rgb [23, 31, 3] and resize_HEIGHTxWIDTH.rgb: Pillow's bicubic resizing of it.
"""
import io
import struct
import tarfile
import zlib

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

random = np.random.default_rng(1)


def picture(height, width):
    y, x = np.mgrid[0:height, 0:width]
    r = 127 + 120 * np.sin(x / 5.0 + y / 9.0)
    g = 255 * x / width
    b = 255 * ((x // 6 + y // 4) % 2)
    return Image.fromarray(np.stack([r, g, b], -1).astype(np.uint8))


def expect(name):
    found = Image.open(name)
    raw = np.array(ImageOps.exif_transpose(found).convert("RGB"))
    raw.tofile(name.rsplit(".", 1)[0] + ".rgb")


def jpegs():
    base = picture(29, 37)
    base.save("colour444.jpg", quality=90, subsampling=0)
    base.save("colour420.jpg", quality=80)
    base.save("progressive.jpg", quality=80, progressive=True)
    base.convert("L").save("grey.jpg", quality=85)
    base.convert("CMYK").save("cmyk.jpg", quality=90)
    data = bytearray(open("cmyk.jpg", "rb").read())
    data[data.index(b"Adobe") + 11] = 2  # the same bytes declared as YCCK
    open("ycck.jpg", "wb").write(data)
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        picture(20, 27).save(f"exif{orientation}.jpg", quality=90, exif=exif)
        expect(f"exif{orientation}.jpg")
    for name in ["colour444", "colour420", "progressive", "grey", "cmyk", "ycck"]:
        expect(name + ".jpg")


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def pack_rows(samples, depth):
    """samples [height, width, channels] -> filter-0 rows"""
    rows = b""
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            body = row.astype(">u2").tobytes()
        elif depth == 8:
            body = row.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in row)
            bits += "0" * (-len(bits) % 8)
            body = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        rows += b"\0" + body
    return rows


def png(name, kind, depth, channels, extra=b"", interlaced=False):
    height, width = 13, 19
    samples = random.integers(0, 1 << depth, (height, width, channels))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        body = b"".join(pack_rows(samples[y::dy, x::dx], depth) for y, x, dy, dx in passes)
    else:
        body = pack_rows(samples, depth)
    with open(name + ".png", "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra)
        out.write(chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))
    if (kind, depth) == (0, 16):  # documented: the high byte, where Pillow clips
        np.repeat(samples >> 8, 3, -1).astype(np.uint8).tofile(name + ".rgb")
    else:
        expect(name + ".png")


def pngs():
    for depth in (1, 2, 4, 8):
        palette = chunk(b"PLTE", random.integers(0, 256, 3 << depth).astype(np.uint8).tobytes())
        png(f"palette{depth}", 3, depth, 1, palette)
        png(f"grey{depth}", 0, depth, 1)
    png("palette_transparent", 3, 4, 1, chunk(b"PLTE", bytes(range(48))) + chunk(b"tRNS", bytes(range(0, 160, 10))))
    png("grey16", 0, 16, 1)
    png("grey_alpha", 4, 8, 2)
    png("colour8", 2, 8, 3)
    png("colour16", 2, 16, 3)
    png("colour_transparent", 2, 8, 3, chunk(b"tRNS", bytes(6)))
    png("colour_alpha8", 6, 8, 4)
    png("colour_alpha16", 6, 16, 4)
    png("interlaced", 2, 8, 3, interlaced=True)
    png("interlaced_palette2", 3, 2, 1, chunk(b"PLTE", bytes(range(100, 112))), interlaced=True)


def resizes():
    array = random.integers(0, 256, (23, 31, 3)).astype(np.uint8)
    array[5:9] = np.where(array[5:9] > 127, 255, 0)
    array.tofile("resize_input.rgb")
    for height, width in [(7, 5), (40, 50), (23, 9), (64, 31), (1, 1), (22, 30), (3, 60)]:
        resized = Image.fromarray(array).resize((width, height), Image.BICUBIC)
        np.array(resized).tofile(f"resize_{height}x{width}.rgb")


def augmentations():
    """augment_input.rgb [33, 38, 3] and augment_NUMBER_VALUE.rgb: the operations of timm 0.3.2."""
    y, x = np.mgrid[0:33, 0:38]
    base = np.stack([40 + 4 * x, 200 - 3 * y - x, 128 + 100 * np.sin(x / 3.0) * np.cos(y / 4.0)], -1)
    array = np.clip(base + random.integers(-20, 21, base.shape), 0, 255).astype(np.uint8)
    array[10:14, 10:20] = random.integers(0, 256, (4, 10, 3))
    array.tofile("augment_input.rgb")
    image = Image.fromarray(array)
    options = dict(resample=Image.BICUBIC, fillcolor=(124, 116, 104))

    def affine(*matrix):
        return image.transform(image.size, Image.AFFINE, matrix, **options)

    def write(number, value, result):
        np.array(result).tofile(f"augment_{number}_{value}.rgb")

    write(0, 0, ImageOps.autocontrast(image))
    write(1, 0, ImageOps.equalize(image))
    write(2, 0, ImageOps.invert(image))
    for degrees in (27, -13.5, 0, 90.5):
        write(3, degrees, image.rotate(degrees, **options))
    for bits in (0, 1, 3, 8):
        write(4, bits, ImageOps.posterize(image, bits) if bits < 8 else image)
    for threshold in (26, 128, 256):
        write(5, threshold, ImageOps.solarize(image, threshold))
    write(6, 99, image.point([min(255, i + 99) if i < 128 else i for i in range(256)] * 3))
    for number, enhancer in enumerate([ImageEnhance.Color, ImageEnhance.Contrast, ImageEnhance.Brightness, ImageEnhance.Sharpness]):
        for factor in (0.19, 1.81, 0.1, 1.0):
            write(7 + number, factor, enhancer(image).enhance(factor))
    for factor in (0.27, -0.3):
        write(11, factor, affine(1, factor, 0, 0, 1, 0))
        write(12, factor, affine(1, 0, 0, factor, 1, 0))
    for pixels in (15.39, -7.25, 4):
        write(13, pixels, affine(1, 0, pixels, 0, 1, 0))
        write(14, pixels, affine(1, 0, 0, 0, 1, pixels))


def shards():
    """shard.tar as WebDataset writes it: PAX headers for the fractional time, a long name, extras."""
    with tarfile.open("shard.tar", "w", format=tarfile.PAX_FORMAT) as tar:

        def add(name, body, kind=tarfile.REGTYPE):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.type = len(body), 1.5, kind
            tar.addfile(member, io.BytesIO(body))

        picture_bytes = open("exif1.jpg", "rb").read()
        add("./a/000.cls", b" 7\n")
        add("./a/000.jpg", picture_bytes)
        add("./a/000.json", b"{}")
        add("__meta__/index.jpg", b"no sample")
        add("README", b"no dot")
        add(".hidden.jpg", b"skipped")
        add("long/" + "x" * 150 + ".seg.png", b"not the picture")
        add("long/" + "x" * 150 + ".PNG", open("colour8.png", "rb").read())
        add("b.txt", b"a sample without a picture")
        add("c.jpg", picture_bytes)
        add("c.cls", b"3")
        add("folder.jpg", b"", tarfile.DIRTYPE)
        add("caf\u00e9.jpeg", picture_bytes)
        add("caf\u00e9.cls", b"0")


jpegs()
pngs()
resizes()
augmentations()
shards()
