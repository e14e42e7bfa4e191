#!/bin/sh
# Stands between cargo and rustc: without these two settings compiler_builtins leaves out its functions for numbers of 16 and 128 bits,
# which the Xtensa back end cannot compile. Nothing uses them.
compiler=$1
shift
for word; do
  shift
  case $word in f16_enabled | f128_enabled) word=no_$word ;; esac
  set -- "$@" "$word"
done
exec "$compiler" "$@"
