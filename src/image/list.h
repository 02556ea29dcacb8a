/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The picture formats, one line each, in the order in which they are tried; no guard: codecs.c
 * includes it twice. */
FCMAE_CODEC(jpeg)
FCMAE_CODEC(png)
