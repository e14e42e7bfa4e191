/*
 * IRAM marks functions that must run from RAM on a device. On the host all code
 * does: it means nothing.
 */

#pragma once

#include "common/platform.h"
