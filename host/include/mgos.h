/*
 * Everything an app usually needs, in one include. Libraries' headers
 * (mgos_mqtt.h and so on) are not part of it, but for that of wifi.
 */

#pragma once

#include <stdbool.h>

#include "common/platform.h"

#include "common/cs_dbg.h"
#include "common/cs_file.h"
#include "common/cs_hex.h"
#include "common/cs_time.h"
#include "common/json_utils.h"
#include "common/mbuf.h"
#include "common/mg_str.h"
#include "common/queue.h"
#include "common/str_util.h"

#include "mgos_app.h"
#include "mgos_bitbang.h"
#include "mgos_config_util.h"
#include "mgos_debug.h"
#include "mgos_dlsym.h"
#include "mgos_event.h"
#include "mgos_features.h"
#include "mgos_gpio.h"
#include "mgos_init.h"
#include "mgos_mongoose.h"
#include "mgos_net.h"
#include "mgos_ro_vars.h"
#include "mgos_sys_config.h"
#include "mgos_system.h"
#include "mgos_time.h"
#include "mgos_timers.h"
#include "mgos_uart.h"
#include "mgos_utils.h"
#ifdef MGOS_HAVE_WIFI
#include "mgos_wifi.h"
#endif
