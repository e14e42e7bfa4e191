/*
 * The allocator under Mongoose's own names. Firmware may redefine them; here
 * they are the C library's.
 */
#ifndef CS_COMMON_MG_MEM_H_
#define CS_COMMON_MG_MEM_H_

#include "common/platform.h"

#ifndef MG_MALLOC
#define MG_MALLOC malloc
#endif
#ifndef MG_CALLOC
#define MG_CALLOC calloc
#endif
#ifndef MG_REALLOC
#define MG_REALLOC realloc
#endif
#ifndef MG_FREE
#define MG_FREE free
#endif

#endif /* CS_COMMON_MG_MEM_H_ */
