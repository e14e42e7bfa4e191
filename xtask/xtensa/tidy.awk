# Shortens verbose LLVM-Xtensa assembly.
#
# Calls: where a function's address is loaded and then called, call it by name. The assembler
# expands that again (--longcalls), but tells the linker, which relaxes calls to near functions. An
# address that is also used otherwise, or past a branch, is left alone.
#
# The stack pointer: at function entry and before a return a8 holds nothing of value, and it is the
# register through which the stack pointer is moved.
{ line[NR] = $0 }
$1 == ".literal" { name = $2; sub(/,$/, "", name); value[name] = $3; place[name] = NR }
$1 == "l32r" { used[$3]++ }
END {
  for (i = 1; i <= NR; i++) {
    split(line[i], word)
    if (word[1] != "l32r" || value[word[3]] !~ /^[A-Za-z_]/) continue
    register = word[2]
    sub(/,$/, "", register)
    # The other registers survive a call.
    if (register !~ /^a([2-9]|10|11)$/) continue
    for (j = i + 1; j <= NR; j++) {
      split(line[j], next_word)
      if (next_word[1] == "callx0" && next_word[2] == register) {
        line[j] = "\tcall0\t" value[word[3]]
        line[i] = ""
        if (--used[word[3]] == 0) line[place[word[3]]] = ""
        break
      }
      # A label, a branch, another call, or another use.
      if (next_word[1] ~ /^(b|j|call|ret|loop|\.)/ || next_word[1] ~ /:$/ || line[j] ~ ("[ \t,]" register "($|[ \t,])")) break
    }
  }
  for (i = 1; i < NR; i++) {
    if (line[i] !~ /^\taddi\ta8, a1, -?[0-9]+$/ || line[i + 1] != "\tor\ta1, a8, a8") continue
    if (line[i - 1] !~ /^[A-Za-z_][A-Za-z0-9_.$]*:$/ && line[i + 2] != "\tret") continue
    sub(/a8/, "a1", line[i])
    line[i + 1] = ""
  }
  for (i = 1; i <= NR; i++) if (line[i] != "") print line[i]
}
