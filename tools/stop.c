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

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

void cli_stop_on_signals(void)
{
    for (int i = 0; i < 3; i++) {
        struct sigaction before, action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

bool cli_stop_at_once(void)
{
    for (int i = 0; i < 3; i++) {
        struct sigaction before;
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == on_signal)
            signal(signals[i], SIG_DFL);
    }
    return requested != 0;
}

bool cli_stop_requested(void)
{
    return requested != 0;
}

int cli_stop_status(void)
{
    return 128 + requested;
}
