/*
 * Prints memory in hexadecimal and as text, 16 bytes a line, for debugging. Not here: the traffic of
 * connections, which --trace and --pcap show.
 */

#include "mongoose.h"

void mg_hexdumpf(FILE *fp, const void *buf, int len) {
  const unsigned char *p = (const unsigned char *) buf;
  int at, i;
  for (at = 0; at < len; at += 16) {
    fprintf(fp, "%04x ", (unsigned int) at);
    for (i = at; i < at + 16; i++) {
      if (i < len) {
        fprintf(fp, " %02x", p[i]);
      } else {
        fputs("   ", fp);
      }
    }
    fputs("  ", fp);
    for (i = at; i < len && i < at + 16; i++) fputc(p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '.', fp);
    fputc('\n', fp);
  }
}
