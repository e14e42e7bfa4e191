/*
 * The machine's files under Mongoose OS' names. Mounts, which do not exist here,
 * are in mgos_unsupported.c.
 */
#include "mgos_vfs.h"

#include "mgos_system.h"

#include <sys/statvfs.h>

static size_t bytes(uint64_t blocks, uint64_t block_size) {
  return (size_t) (blocks * block_size);
}

size_t mgos_vfs_get_space_total(const char *path) {
  struct statvfs st;
  if (path == NULL || statvfs(path, &st) != 0) return 0;
  return bytes(st.f_blocks, st.f_frsize);
}

size_t mgos_vfs_get_space_used(const char *path) {
  struct statvfs st;
  if (path == NULL || statvfs(path, &st) != 0) return 0;
  return bytes(st.f_blocks - st.f_bfree, st.f_frsize);
}

size_t mgos_vfs_get_space_free(const char *path) {
  struct statvfs st;
  if (path == NULL || statvfs(path, &st) != 0) return 0;
  return bytes(st.f_bavail, st.f_frsize);
}

/* The app's directory is its root. */
size_t mgos_get_fs_size(void) {
  return mgos_vfs_get_space_total(".");
}

size_t mgos_get_free_fs_size(void) {
  return mgos_vfs_get_space_free(".");
}

bool mgos_vfs_gc(const char *path) {
  (void) path;
  return true;
}

void mgos_vfs_umount_all(void) {
}

int mgos_vfs_open(const char *filename, int flags, int mode) {
  return open(filename, flags, mode);
}

int mgos_vfs_close(int vfd) {
  return close(vfd);
}

ssize_t mgos_vfs_read(int vfd, void *dst, size_t len) {
  return read(vfd, dst, len);
}

ssize_t mgos_vfs_write(int vfd, const void *src, size_t len) {
  return write(vfd, src, len);
}

int mgos_vfs_stat(const char *path, struct stat *st) {
  return stat(path, st);
}

int mgos_vfs_fstat(int vfd, struct stat *st) {
  return fstat(vfd, st);
}

off_t mgos_vfs_lseek(int vfd, off_t offset, int whence) {
  return lseek(vfd, offset, whence);
}

int mgos_vfs_unlink(const char *path) {
  return unlink(path);
}

int mgos_vfs_rename(const char *src, const char *dst) {
  return rename(src, dst);
}

DIR *mgos_vfs_opendir(const char *path) {
  return opendir(path);
}

struct dirent *mgos_vfs_readdir(DIR *pdir) {
  return readdir(pdir);
}

int mgos_vfs_closedir(DIR *pdir) {
  return closedir(pdir);
}
