/*
 * Values in HTTP headers, files under Mongoose OS' names, functions by their
 * name, what scripts call, and what the host cannot do.
 */
#include "mgos_bitbang.h"
#include "mgos_debug_hal.h"
#include "mgos_dlsym.h"
#include "mgos_mongoose_internal.h"
#include "mgos_system.h"
#include "mgos_uart.h"
#include "mgos_vfs.h"
#include "mgos_vfs_dev.h"
#include "test.h"

static void header_values(void) {
  static const struct {
    const char *header, *name, *want;
  } rows[] = {
      {"Digest username=\"joe\", realm=\"a, b\", nc=1", "username", "joe"},
      {"Digest username=\"joe\", realm=\"a, b\", nc=1", "realm", "a, b"},
      {"Digest username=\"joe\", realm=\"a, b\", nc=1", "nc", "1"},
      {"HostName=h.net;DeviceId=d;SharedAccessKey=a+/==", "SharedAccessKey",
       "a+/=="},
      {"HostName=h.net;DeviceId=d;SharedAccessKey=a+/==", "HostName", "h.net"},
      {"xname=1; name=2", "name", "2"},
      {"a=\"name=1\"; name=2", "name", "2"},
      {"name=\"open", "name", "open"},
      {"name=", "name", ""},
      {"name", "name", ""},
      {"", "name", ""},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    char small[5] = "old", *value = small;
    size_t len = strlen(rows[i].want);
    char *text = exact_copy(rows[i].header, strlen(rows[i].header));
    struct mg_str header = mg_mk_str_n(text, strlen(rows[i].header));
    CHECK_ROW_INT(rows[i].header,
                  mg_http_parse_header2(&header, rows[i].name, &value, 5), len);
    CHECK_ROW_STR(rows[i].header, value, rows[i].want);
    CHECK((value == small) == (len < 5));
    if (value != small) free(value);
    CHECK_ROW_INT(rows[i].header,
                  mg_http_parse_header(&header, rows[i].name, small, 5),
                  len < 5 ? len : 0);
    free(text);
  }
  {
    char *value = NULL;
    struct mg_str header = mg_mk_str("a=1");
    CHECK_INT(mg_http_parse_header2(NULL, "a", &value, 0), 0);
    fake_malloc_countdown = 0;
    CHECK_INT(mg_http_parse_header2(&header, "a", &value, 0), 0);
    fake_malloc_countdown = -1;
    CHECK(value == NULL);
    CHECK_INT(mg_http_parse_header2(&header, "a", &value, 0), 1);
    CHECK_STR(value, "1");
    free(value);
  }
}

static void files(void) {
  char name[] = "/tmp/vfs_XXXXXX", moved[sizeof(name) + 2], text[8] = "";
  struct stat st;
  DIR *dir;
  int fd = mkstemp(name);
  if (fd < 0) abort();
  close(fd);
  fd = mgos_vfs_open(name, O_RDWR, 0);
  CHECK(fd >= 0);
  CHECK_INT(mgos_vfs_write(fd, "text", 4), 4);
  CHECK_INT(mgos_vfs_lseek(fd, 1, SEEK_SET), 1);
  CHECK_INT(mgos_vfs_read(fd, text, sizeof(text)), 3);
  CHECK_STR(text, "ext");
  CHECK_INT(mgos_vfs_fstat(fd, &st), 0);
  CHECK_INT(st.st_size, 4);
  CHECK_INT(mgos_vfs_close(fd), 0);
  snprintf(moved, sizeof(moved), "%s.2", name);
  CHECK_INT(mgos_vfs_rename(name, moved), 0);
  CHECK_INT(mgos_vfs_stat(moved, &st), 0);
  CHECK_INT(mgos_vfs_unlink(moved), 0);
  CHECK_INT(mgos_vfs_stat(moved, &st), -1);
  dir = mgos_vfs_opendir("/");
  CHECK(dir != NULL && mgos_vfs_readdir(dir) != NULL);
  CHECK_INT(mgos_vfs_closedir(dir), 0);

  CHECK(mgos_vfs_get_space_total("/") > mgos_vfs_get_space_free("/"));
  CHECK(mgos_vfs_get_space_total("/") > mgos_vfs_get_space_used("/"));
  CHECK_INT(mgos_vfs_get_space_total("/no/such/path"), 0);
  CHECK_INT(mgos_vfs_get_space_used("/no/such/path"), 0);
  CHECK_INT(mgos_vfs_get_space_free(NULL), 0);
  CHECK_INT(mgos_get_fs_size(), mgos_vfs_get_space_total("."));
  CHECK(mgos_get_free_fs_size() > 0);
  CHECK(mgos_vfs_gc("/"));
  mgos_vfs_umount_all();
}

static void named(void) {
}

static void other(void) {
}

/* Generated with an app that runs JavaScript. */
extern struct mgos_ffi_export ffi_exports[];
extern int ffi_exports_cnt;
struct mgos_ffi_export ffi_exports[] = {{"named", (void *) named},
                                        {"other", (void *) other}};
int ffi_exports_cnt = 2;

static void names(void) {
  CHECK(mgos_dlsym(NULL, "named") == (void *) named);
  CHECK(mgos_dlsym(NULL, "other") == (void *) other);
  CHECK(mgos_dlsym(NULL, "missing") == NULL);
  CHECK(mgos_dlsym(NULL, NULL) == NULL);
}

/* Whether a line was logged that has `part` in it. */
static bool logged(int before, const char *part) {
  return fake_log.count == before + 1 && fake_log.level == LL_ERROR &&
         strstr(fake_log.text, part) != NULL;
}

static void unsupported(void) {
  int n = fake_log.count;
  mgos_bitbang_write_bits(4, MGOS_DELAY_100NSEC, 3, 8, 8, 6,
                          (const uint8_t *) "abc", 3);
  CHECK(logged(n++, "3 bytes for pin 4 are lost"));
  mgos_bitbang_write_bits_js(4, MGOS_DELAY_100NSEC, 0, NULL, 0);
  CHECK(logged(n++, "pin 4"));
  CHECK_INT(mgos_bitbang_n100_cal, 0);
  CHECK_INT(mgos_debug_udp_init("1.2.3.4:5"), MGOS_INIT_DEBUG_INIT_FAILED);
  CHECK(logged(n++, "1.2.3.4:5"));
  mgos_debug_udp_send(mg_mk_str("a"), mg_mk_str("b"));
  CHECK(mgos_bind_http("80") == NULL);
  CHECK(logged(n++, "no HTTP server"));
  CHECK(!mgos_add_http_endpoint(NULL, "/x", NULL, NULL));
  CHECK(logged(n++, "/x is not served"));
  CHECK(!mgos_vfs_mkfs("RAM", "", "LFS", ""));
  CHECK(logged(n++, "make a file system on RAM"));
  CHECK(!mgos_vfs_mkfs_dev_name("dev0", "LFS", ""));
  CHECK(logged(n++, "make a file system on dev0"));
  CHECK(!mgos_vfs_mount("/mnt", "RAM", "", "LFS", ""));
  CHECK(logged(n++, "mount /mnt"));
  CHECK(!mgos_vfs_mount_dev_name("/mnt", "dev0", "LFS", ""));
  CHECK(logged(n++, "mount /mnt"));
  CHECK(!mgos_vfs_umount("/mnt"));
  CHECK(logged(n++, "unmount /mnt"));
  CHECK(mgos_vfs_dev_open("dev0") == NULL);
  CHECK(logged(n++, "no device dev0"));
  CHECK(mgos_vfs_dev_create("RAM", "") == NULL);
  CHECK(logged(n++, "no device RAM"));
  CHECK(!mgos_vfs_dev_create_and_register("RAM", "", "dev1"));
  CHECK(logged(n++, "no device dev1"));
  CHECK(!mgos_vfs_dev_register(NULL, "dev2"));
  CHECK(logged(n++, "no device dev2"));
  CHECK(!mgos_vfs_dev_unregister("dev3"));
  CHECK(logged(n++, "no device dev3"));
  CHECK_INT(mgos_vfs_dev_read(NULL, 0, 1, &n), MGOS_VFS_DEV_ERR_NXIO);
  CHECK_INT(mgos_vfs_dev_write(NULL, 0, 1, &n), MGOS_VFS_DEV_ERR_NXIO);
  CHECK_INT(mgos_vfs_dev_erase(NULL, 0, 1), MGOS_VFS_DEV_ERR_NXIO);
  CHECK_INT(mgos_vfs_dev_get_size(NULL), 0);
  CHECK(!mgos_vfs_dev_close(NULL));
}

/* What scripts call: no header declares it. */
struct mbuf *mgos_get_recv_mbuf(struct mg_connection *nc);
void *mgos_get_mbuf_ptr(struct mbuf *mb);
int mgos_get_mbuf_len(struct mbuf *mb);
void *mgos_get_mgstr_ptr(struct mg_str *s);
int mgos_get_mgstr_len(struct mg_str *s);
struct mg_str *mgos_get_msg_ptr(struct http_message *hm);
struct mg_str *mgos_get_body_ptr(struct http_message *hm);
bool mgos_is_inbound(struct mg_connection *nc);
struct mgos_uart_config *mgos_uart_config_get_default(int uart_no);
void mgos_uart_config_set_basic_params(struct mgos_uart_config *cfg, int baud_rate, int num_data_bits, int parity,
                                       int stop_bits);
void mgos_uart_config_set_rx_params(struct mgos_uart_config *cfg, int rx_buf_size, int rx_fc_type, int linger_micros);
void mgos_uart_config_set_tx_params(struct mgos_uart_config *cfg, int tx_buf_size, int tx_fc_type);

static void hexdump(void) {
  char *text = NULL;
  size_t size = 0;
  FILE *fp = open_memstream(&text, &size);
  mg_hexdumpf(fp, "0123456789abcdef\x01\xffz", 19);
  fclose(fp);
  CHECK_STR(text,
            "0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n"
            "0010  01 ff 7a                                         ..z\n");
  free(text);
}

/* Stands in for the host's: writes something into each setting. */
void mgos_uart_config_set_defaults(int uart_no, struct mgos_uart_config *cfg) {
  memset(cfg, 0x7f, sizeof(*cfg));
  cfg->baud_rate = uart_no;
}

static void for_scripts(void) {
  struct mg_connection nc, listener;
  struct http_message hm;
  struct mgos_uart_config *cfg;
  memset(&nc, 0, sizeof(nc));
  memset(&hm, 0, sizeof(hm));
  mbuf_append(&nc.recv_mbuf, "abc", 3);
  CHECK(mgos_get_mbuf_ptr(mgos_get_recv_mbuf(&nc)) == nc.recv_mbuf.buf);
  CHECK_INT(mgos_get_mbuf_len(mgos_get_recv_mbuf(&nc)), 3);
  mbuf_free(&nc.recv_mbuf);
  CHECK(!mgos_is_inbound(&nc));
  nc.listener = &listener;
  CHECK(mgos_is_inbound(&nc));
  hm.message = mg_mk_str("whole");
  hm.body = mg_mk_str("body");
  CHECK(mgos_get_mgstr_ptr(mgos_get_msg_ptr(&hm)) == hm.message.p);
  CHECK_INT(mgos_get_mgstr_len(mgos_get_msg_ptr(&hm)), 5);
  CHECK_INT(mgos_get_mgstr_len(mgos_get_body_ptr(&hm)), 4);
  cfg = mgos_uart_config_get_default(7);
  CHECK_INT(cfg->baud_rate, 7);
  mgos_uart_config_set_basic_params(cfg, 1, 2, 1, 2);
  mgos_uart_config_set_rx_params(cfg, 3, 1, 5);
  mgos_uart_config_set_tx_params(cfg, 6, 2);
  CHECK(cfg->baud_rate == 1 && cfg->num_data_bits == 2 && cfg->parity == 1 && cfg->stop_bits == 2);
  CHECK(cfg->rx_buf_size == 3 && cfg->rx_fc_type == 1 && cfg->rx_linger_micros == 5);
  CHECK(cfg->tx_buf_size == 6 && cfg->tx_fc_type == 2);
  free(cfg);
  fake_malloc_countdown = 0;
  CHECK(mgos_uart_config_get_default(7) == NULL);
  fake_malloc_countdown = -1;
}

void test_system(void) {
  header_values();
  files();
  names();
  unsupported();
  for_scripts();
  hexdump();
}
