/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Built against an installed library by check-install. */
#include <fcmae/fcmae.h>
#include <string.h>

int main(void)
{
    return strcmp(fcmae_status_name(FCMAE_ERR_SHAPE), "FCMAE_ERR_SHAPE") == 0 ? 0 : 1;
}
