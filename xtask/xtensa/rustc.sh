#!/bin/sh
# Wraps rustc for cargo: these two settings make compiler_builtins omit its 16-bit and 128-bit
# functions, which the Xtensa back end cannot compile and nothing uses.
compiler=$1
shift
for word; do
  shift
  case $word in f16_enabled | f128_enabled) word=no_$word ;; esac
  set -- "$@" "$word"
done
exec "$compiler" "$@"
