/*
 * Ring buffers of records in a file. In memory: cs_rbuf.c.
 *
 * The file is a header and `size` bytes of records, which wrap around at the end.
 * A record is its length and its bytes. Numbers are little-endian. The header is
 * written last, so that an interrupted call leaves the buffer as it was before.
 */
#include "common/cs_frbuf.h"

#include "common/cs_dbg.h"

#define MAGIC "FRB1"
#define HEADER_LEN 12 /* MAGIC, size, used, head; two bytes reserved */
#define LENGTH_LEN 2

struct cs_frbuf {
  FILE *fp;
  uint16_t size; /* of all records together */
  uint16_t used; /* of that */
  uint16_t head; /* where the oldest record begins */
};

static void put_u16(uint8_t *to, uint16_t n) {
  to[0] = (uint8_t) n;
  to[1] = (uint8_t) (n >> 8);
}

static uint16_t get_u16(const uint8_t *from) {
  return (uint16_t) (from[0] | from[1] << 8);
}

static bool write_header(struct cs_frbuf *b) {
  uint8_t header[HEADER_LEN] = MAGIC;
  put_u16(header + 4, b->size);
  put_u16(header + 6, b->used);
  put_u16(header + 8, b->head);
  return fseek(b->fp, 0, SEEK_SET) == 0 &&
         fwrite(header, sizeof(header), 1, b->fp) == 1 && fflush(b->fp) == 0;
}

static bool read_header(struct cs_frbuf *b) {
  uint8_t header[HEADER_LEN];
  if (fread(header, sizeof(header), 1, b->fp) != 1 ||
      memcmp(header, MAGIC, 4) != 0) {
    return false;
  }
  b->size = get_u16(header + 4);
  b->used = get_u16(header + 6);
  b->head = get_u16(header + 8);
  return b->size > 0 && b->used <= b->size && b->head < b->size;
}

/* Reads or writes `len` bytes that begin `at` bytes behind the head. */
static bool transfer(struct cs_frbuf *b, uint32_t at, void *data, uint16_t len,
                     bool writing) {
  uint8_t *p = (uint8_t *) data;
  at = (b->head + at) % b->size;
  while (len > 0) {
    uint16_t n = (uint16_t) MIN((uint32_t) len, b->size - at);
    size_t done;
    if (fseek(b->fp, (long) (HEADER_LEN + at), SEEK_SET) != 0) return false;
    done = writing ? fwrite(p, n, 1, b->fp) : fread(p, n, 1, b->fp);
    if (done != 1) return false;
    p += n;
    len = (uint16_t) (len - n);
    at = 0;
  }
  return true;
}

/* The length of the oldest record, with its length bytes. 0 if it is invalid. */
static uint32_t oldest(struct cs_frbuf *b) {
  uint8_t length[LENGTH_LEN];
  uint32_t whole;
  if (b->used < LENGTH_LEN || !transfer(b, 0, length, LENGTH_LEN, false)) {
    return 0;
  }
  whole = (uint32_t) LENGTH_LEN + get_u16(length);
  return whole > LENGTH_LEN && whole <= b->used ? whole : 0;
}

static void drop(struct cs_frbuf *b, uint32_t whole) {
  b->head = (uint16_t) ((b->head + whole) % b->size);
  b->used = (uint16_t) (b->used - whole);
}

struct cs_frbuf *cs_frbuf_init(const char *fname, uint16_t size) {
  struct cs_frbuf *b = (struct cs_frbuf *) calloc(1, sizeof(*b));
  if (b == NULL) return NULL;
  b->fp = fopen(fname, "r+b");
  if (b->fp != NULL) {
    if (read_header(b)) return b;
    LOG(LL_ERROR, ("%s is not a ring buffer: remove it", fname));
  } else if (errno != ENOENT) {
    LOG(LL_ERROR, ("cannot open %s: %s", fname, strerror(errno)));
  } else if (size <= HEADER_LEN + LENGTH_LEN) {
    LOG(LL_ERROR, ("%s: a ring buffer takes more than %d bytes, not %d", fname,
                   HEADER_LEN + LENGTH_LEN, size));
  } else if ((b->fp = fopen(fname, "w+b")) == NULL) {
    LOG(LL_ERROR, ("cannot create %s: %s", fname, strerror(errno)));
  } else {
    b->size = (uint16_t) (size - HEADER_LEN);
    if (write_header(b)) return b;
    LOG(LL_ERROR, ("cannot write %s: %s", fname, strerror(errno)));
  }
  cs_frbuf_deinit(b);
  return NULL;
}

void cs_frbuf_deinit(struct cs_frbuf *b) {
  if (b == NULL) return;
  if (b->fp != NULL) fclose(b->fp);
  free(b);
}

bool cs_frbuf_append(struct cs_frbuf *b, const void *data, uint16_t len) {
  uint8_t length[LENGTH_LEN];
  uint32_t whole = (uint32_t) LENGTH_LEN + len;
  if (len == 0 || whole > b->size) return false;
  while (b->used + whole > b->size) {
    uint32_t n = oldest(b);
    if (n == 0) return false;
    drop(b, n);
  }
  /* Before old records are overwritten, the header must not show them any more. */
  if (!write_header(b)) return false;
  put_u16(length, len);
  if (!transfer(b, b->used, length, LENGTH_LEN, true) ||
      !transfer(b, (uint32_t) b->used + LENGTH_LEN, (void *) data, len, true) ||
      fflush(b->fp) != 0) {
    return false;
  }
  b->used = (uint16_t) (b->used + whole);
  return write_header(b);
}

int cs_frbuf_get(struct cs_frbuf *b, char **data) {
  uint32_t whole;
  uint16_t len;
  *data = NULL;
  if (b->used == 0) return 0;
  whole = oldest(b);
  if (whole == 0) return -1;
  len = (uint16_t) (whole - LENGTH_LEN);
  *data = (char *) malloc(len);
  if (*data == NULL) return -2;
  if (!transfer(b, LENGTH_LEN, *data, len, false)) {
    free(*data);
    *data = NULL;
    return -3;
  }
  drop(b, whole);
  return write_header(b) ? len : -4;
}
