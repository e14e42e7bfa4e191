/* The JSON library under its other path. */
#include "../frozen.h"
