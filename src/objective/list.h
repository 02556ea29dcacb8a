/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The objectives, one line each; no guard: objectives.c includes it twice. */
FCMAE_OBJECTIVE(masked)
FCMAE_OBJECTIVE(classify)
