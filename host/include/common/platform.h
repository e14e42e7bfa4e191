/*
 * What every Mongoose OS source expects to find after including any header:
 * the standard C library, the platform's number, a few macros. No declarations
 * of our own live here. Must also compile for bare-metal ARM (newlib), so
 * whatever needs an operating system sits behind __unix__.
 */
#ifndef CS_COMMON_PLATFORM_H_
#define CS_COMMON_PLATFORM_H_

/* Only known values may be compared with CS_PLATFORM, so all are listed. */
#define CS_P_CUSTOM 0
#define CS_P_UNIX 1
#define CS_P_WINDOWS 2
#define CS_P_ESP8266 3
#define CS_P_CC3200 4
#define CS_P_MSP432 5
#define CS_P_CC3100 6
#define CS_P_MBED 7
#define CS_P_WINCE 8
#define CS_P_NXP_KINETIS 9
#define CS_P_NRF52 10
#define CS_P_PIC32 11
#define CS_P_NRF51 12
#define CS_P_NXP_LPC 13
#define CS_P_TM4C129 14
#define CS_P_ESP32 15
#define CS_P_STM32 16
#define CS_P_CC3220 17
#define CS_P_RS14100 18

#ifndef CS_PLATFORM
#if defined(__unix__) || defined(__APPLE__)
#define CS_PLATFORM CS_P_UNIX
#elif defined(STM32)
#define CS_PLATFORM CS_P_STM32
#else
#define CS_PLATFORM CS_P_CUSTOM
#endif
#endif

/* With -std=c99 the C library hides what apps use everywhere (strdup,
 * localtime_r ...). These ask for it, as the device builds do; they work only
 * if no system header came before, which is why every header includes this
 * one first. */
#if defined(__unix__)
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#endif

/* Old C++ libraries give PRId64 and INT64_MAX only on request. */
#ifndef __STDC_FORMAT_MACROS
#define __STDC_FORMAT_MACROS
#endif
#ifndef __STDC_LIMIT_MACROS
#define __STDC_LIMIT_MACROS
#endif

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__unix__)
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <strings.h>
#include <sys/param.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>
#endif

#define MG_NET_IF_SOCKET 1
#define MG_NET_IF_SIMPLELINK 2
#define MG_NET_IF_LWIP_LOW_LEVEL 3
#define MG_NET_IF_PIC32 4
#define MG_NET_IF_NULL 5

#define MG_SSL_IF_OPENSSL 1
#define MG_SSL_IF_MBEDTLS 2
#define MG_SSL_IF_SIMPLELINK 3

#ifndef MG_NET_IF
#define MG_NET_IF MG_NET_IF_SOCKET
#endif

/* 0 leaves out every log line (used to measure code size without them). */
#ifndef CS_ENABLE_STDIO
#define CS_ENABLE_STDIO 1
#endif

typedef int sock_t;
#ifndef INVALID_SOCKET
#define INVALID_SOCKET (-1)
#endif

#define SIZE_T_FMT "zu"
#define INT64_FMT PRId64
#define INT64_X_FMT PRIx64
#define UINT64_FMT PRIu64
#ifndef DIRSEP
#define DIRSEP '/'
#endif
#define to64(x) strtoll((x), NULL, 10)

#if defined(__unix__)
typedef struct stat cs_stat_t;
#ifndef closesocket
#define closesocket(x) close(x)
#endif
#endif

#ifndef PRINTF_LIKE
#if defined(__GNUC__)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#else
#define PRINTF_LIKE(f, a)
#endif
#endif

#ifndef WEAK
#if defined(__GNUC__)
#define WEAK __attribute__((weak))
#else
#define WEAK
#endif
#endif

#ifdef __GNUC__
#define NORETURN __attribute__((noreturn))
#define NOINLINE __attribute__((noinline))
#define WARN_UNUSED_RESULT __attribute__((warn_unused_result))
#define NOINSTR __attribute__((no_instrument_function))
#define DO_NOT_WARN_UNUSED __attribute__((unused))
#else
#define NORETURN
#define NOINLINE
#define WARN_UNUSED_RESULT
#define NOINSTR
#define DO_NOT_WARN_UNUSED
#endif

/* ESP apps mark functions that must run from RAM; here all code does. */
#ifndef IRAM
#define IRAM
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#endif
#ifndef MAX
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif

#endif /* CS_COMMON_PLATFORM_H_ */
