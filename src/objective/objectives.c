/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The table of objectives, alone in its file: a program that brings objectives of its own compiles
 * it again with FCMAE_MORE_OBJECTIVES, the name of a further list, and links it before the library
 * (tests/toys).
 */
#include "model/objective.h"

#define FCMAE_OBJECTIVE(name) extern const fcmae_objective fcmae_objective_##name;
#include "objective/list.h"
#ifdef FCMAE_MORE_OBJECTIVES
#include FCMAE_MORE_OBJECTIVES
#endif
#undef FCMAE_OBJECTIVE

#define FCMAE_OBJECTIVE(name) &fcmae_objective_##name,
const fcmae_objective *const fcmae_objectives[] = {
#include "objective/list.h"
#ifdef FCMAE_MORE_OBJECTIVES
#include FCMAE_MORE_OBJECTIVES
#endif
    NULL};
