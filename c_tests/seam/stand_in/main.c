/* The contract on what stands in place of shim/ in the core's own tests: rig.rs. */

#include "rig.h"

int main(void) {
  return contract();
}
