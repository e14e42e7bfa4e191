/*
 * The JSON library under the path that some apps include it by.
 * Everything is in ../frozen.h.
 */
#include "../frozen.h"
