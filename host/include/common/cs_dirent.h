/*
 * Directory listing. The host uses the system's <dirent.h>, which platform.h
 * includes; here for code that includes this name.
 */
#ifndef CS_COMMON_CS_DIRENT_H_
#define CS_COMMON_CS_DIRENT_H_

#include "common/platform.h"

#endif /* CS_COMMON_CS_DIRENT_H_ */
