/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Picture formats of the test programs beside those of the library, one line each. */
FCMAE_CODEC(toy)
