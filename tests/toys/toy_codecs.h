/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The lines that the formats of this folder add to the list in src/image/codecs.c. */
#ifndef TOY_CODECS_H
#define TOY_CODECS_H

#define TOY_CODECS(CODEC) CODEC(toy)

#endif
