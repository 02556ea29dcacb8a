/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** File names in JSON: names may hold any bytes, JSON texts only UTF-8. */
#ifndef FCMAE_CORE_LOSSY_TEXT_H
#define FCMAE_CORE_LOSSY_TEXT_H

#include "core/json.h"

/** A JSON text; bytes that are not UTF-8 become U+FFFD. NULL if memory is short. */
json_t *fcmae_json_lossy_text(const char *text);

#endif
