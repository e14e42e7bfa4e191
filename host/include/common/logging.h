/*
 * For C++: CHECK macros, which print a message to stderr and abort if their
 * condition is false. More can be added to the message with <<.
 */
#pragma once

#include <cstdlib>
#include <iostream>

namespace mgos {

/* Begins a message with its place, and ends it with a newline. */
class LogMessage {
 public:
  LogMessage(const char *file, int line) {
    stream() << file << ":" << line << " ";
  }
  virtual ~LogMessage() {
    stream() << std::endl;
  }
  std::ostream &stream() {
    return std::cerr;
  }
  LogMessage(const LogMessage &) = delete;
};

class LogMessageAndDie : public LogMessage {
 public:
  LogMessageAndDie(const char *file, int line) : LogMessage(file, line) {
  }
  ~LogMessageAndDie() override {
    stream() << std::endl;
    std::abort();
  }
};

}  // namespace mgos

#define CHECK(x)                                             \
  if (!(x))                                                  \
  ::mgos::LogMessageAndDie(__FILE__, __LINE__).stream()      \
      << "CHECK failed: " << #x << ": "

#define MGOS_HOST_CHECK_OP(x, y, op, more)                             \
  {                                                                    \
    const auto &mgos_host_x = (x);                                     \
    const auto &mgos_host_y = (y);                                     \
    if (!(mgos_host_x op mgos_host_y)) {                               \
      ::mgos::LogMessageAndDie(__FILE__, __LINE__).stream()            \
          << "CHECK failed: " << #x << " " << #op << " " << #y << " (" \
          << mgos_host_x << " vs " << mgos_host_y << ")" more;         \
    }                                                                  \
  }

#define CHECK_EQ(x, y) MGOS_HOST_CHECK_OP(x, y, ==, )
#define CHECK_NE(x, y) MGOS_HOST_CHECK_OP(x, y, !=, )
#define CHECK_GT(x, y) MGOS_HOST_CHECK_OP(x, y, >, )
#define CHECK_GE(x, y) MGOS_HOST_CHECK_OP(x, y, >=, )
#define CHECK_LT(x, y) MGOS_HOST_CHECK_OP(x, y, <, )
#define CHECK_LE(x, y) MGOS_HOST_CHECK_OP(x, y, <=, )

/* With a message. */
#define CHECK_EQ_M(x, y, m) MGOS_HOST_CHECK_OP(x, y, ==, << ": " << m)
#define CHECK_NE_M(x, y, m) MGOS_HOST_CHECK_OP(x, y, !=, << ": " << m)
#define CHECK_GT_M(x, y, m) MGOS_HOST_CHECK_OP(x, y, >, << ": " << m)
#define CHECK_GE_M(x, y, m) MGOS_HOST_CHECK_OP(x, y, >=, << ": " << m)
#define CHECK_LT_M(x, y, m) MGOS_HOST_CHECK_OP(x, y, <, << ": " << m)
#define CHECK_LE_M(x, y, m) MGOS_HOST_CHECK_OP(x, y, <=, << ": " << m)
