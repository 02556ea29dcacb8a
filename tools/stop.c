/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "stop.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t requested;

static void on_signal(int number)
{
    if (requested) _exit(128 + number);
    requested = number;
}

void cli_stop_on_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (int i = 0; i < 3; i++) {
        struct sigaction before, action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN);
}

bool cli_stop_requested(void)
{
    return requested != 0;
}

int cli_stop_status(void)
{
    return 128 + requested;
}
