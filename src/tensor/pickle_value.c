/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "tensor/pickle.h"

bool fcmae_pickle_is(const fcmae_pickle_value *value, const char *text)
{
    return (value->kind == FCMAE_PICKLE_TEXT || value->kind == FCMAE_PICKLE_GLOBAL) &&
           value->as.text.length == strlen(text) &&
           memcmp(value->as.text.start, text, value->as.text.length) == 0;
}
