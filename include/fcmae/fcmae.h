/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Umbrella header. Start with model.h, engine.h and train.h. */
#ifndef FCMAE_FCMAE_H
#define FCMAE_FCMAE_H

#include "fcmae/analysis.h"
#include "fcmae/augment.h"
#include "fcmae/checkpoint.h"
#include "fcmae/convert.h"
#include "fcmae/data.h"
#include "fcmae/engine.h"
#include "fcmae/evaluate.h"
#include "fcmae/mask.h"
#include "fcmae/measure.h"
#include "fcmae/memory.h"
#include "fcmae/model.h"
#include "fcmae/optimiser.h"
#include "fcmae/options.h"
#include "fcmae/preset.h"
#include "fcmae/reconstruct.h"
#include "fcmae/sparse.h"
#include "fcmae/status.h"
#include "fcmae/tensor_file.h"
#include "fcmae/train.h"
#include "fcmae/transform.h"

#endif
