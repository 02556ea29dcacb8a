/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Objectives of the test programs beside those of the library, one line each. */
FCMAE_OBJECTIVE(colour)
