/*
 * Whole files and calendar time (common/cs_file.h, common/cs_time.h). The clock belongs to the
 * event loop: cs_time only asks for it.
 */
#include "common/cs_file.h"
#include "common/cs_time.h"

#ifdef CS_MMAP
#include <sys/mman.h>
#endif

double mg_time(void);

char *cs_read_file(const char *path, size_t *size) {
  FILE *fp = fopen(path, "rb");
  char *data = NULL;
  long len = 0;
  if (fp == NULL) return NULL;
  if (fseek(fp, 0, SEEK_END) == 0 && (len = ftell(fp)) >= 0 &&
      fseek(fp, 0, SEEK_SET) == 0) {
    data = (char *) malloc((size_t) len + 1);
  }
  if (data != NULL && fread(data, 1, (size_t) len, fp) != (size_t) len) {
    free(data);
    data = NULL;
  }
  if (data != NULL) {
    data[len] = '\0';
    *size = (size_t) len;
  }
  fclose(fp);
  return data;
}

#ifdef CS_MMAP
char *cs_mmap_file(const char *path, size_t *size) {
  struct stat st;
  void *p = MAP_FAILED;
  int fd = open(path, O_RDONLY);
  if (fd < 0) return NULL;
  if (fstat(fd, &st) == 0) {
    p = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  close(fd);
  if (p == MAP_FAILED) return NULL;
  *size = (size_t) st.st_size;
  return (char *) p;
}
#endif

double cs_time(void) {
  return mg_time();
}

double cs_timegm(const struct tm *tm) {
  struct tm copy = *tm; /* timegm normalises its argument */
  time_t t = timegm(&copy);
  return t < 0 ? -1 : (double) t;
}
