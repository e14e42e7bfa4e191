/*
 * Values in HTTP headers, files under Mongoose OS' names, functions by their
 * name, and what the host cannot do.
 */
#include "mgos_bitbang.h"
#include "mgos_debug_hal.h"
#include "mgos_dlsym.h"
#include "mgos_mongoose_internal.h"
#include "mgos_system.h"
#include "mgos_vfs.h"
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
}

void test_system(void) {
  header_values();
  files();
  names();
  unsupported();
}
