/*
 * BYTE_ORDER, LITTLE_ENDIAN and BIG_ENDIAN, also where the C library hides them.
 */
#ifndef CS_COMMON_CS_ENDIAN_H_
#define CS_COMMON_CS_ENDIAN_H_

#include "common/platform.h"

#ifndef LITTLE_ENDIAN
#define LITTLE_ENDIAN __ORDER_LITTLE_ENDIAN__
#endif
#ifndef BIG_ENDIAN
#define BIG_ENDIAN __ORDER_BIG_ENDIAN__
#endif
#ifndef BYTE_ORDER
#define BYTE_ORDER __BYTE_ORDER__
#endif

#endif /* CS_COMMON_CS_ENDIAN_H_ */
