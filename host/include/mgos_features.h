/*
 * Switches for optional parts of the core. None of these parts exists on the
 * host, so all are off unless the app's own build says otherwise.
 */

#pragma once

#ifndef MGOS_ENABLE_BITBANG
#define MGOS_ENABLE_BITBANG 0
#endif

#ifndef MGOS_ENABLE_DEBUG_UDP
#define MGOS_ENABLE_DEBUG_UDP 0
#endif

#ifndef MGOS_ENABLE_SYS_SERVICE
#define MGOS_ENABLE_SYS_SERVICE 0
#endif

#ifndef MGOS_ENABLE_MDNS
#define MGOS_ENABLE_MDNS 0
#endif

#ifndef MGOS_PROMPT_DISABLE_ECHO
#define MGOS_PROMPT_DISABLE_ECHO 0
#endif
