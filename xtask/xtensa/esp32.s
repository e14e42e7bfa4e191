# The ESP32's instructions that GNU as for the ESP8266 does not know; it reads this file before the
# code. An instruction that is missing here is an error.

	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.set .La\n, \n
	.endr
	.set .Lsp, 1

	.macro encode op, r, s, t
	.byte (\op & 255) | (\t) << 4, (\r) << 4 | (\s), (\op) >> 16
	.endm

# Register windows. A call by name takes the address from a literal, as the function may be out of
# reach.
	.macro entry s, size
	encode 0x36 | \size / 128 << 16, \size / 8 & 15, .L\s, 0
	.endm
	.macro retw
	encode 0, 0, 0, 9
	.endm
	.macro retw.n
	.byte 0x1d, 0xf0
	.endm
	.macro movsp t, s
	encode 0, 1, .L\s, .L\t
	.endm
	.macro callx4 s
	encode 0, 0, .L\s, 13
	.endm
	.macro callx8 s
	encode 0, 0, .L\s, 14
	.endm
	.macro call8 function
	movi a8, \function
	callx8 a8
	.endm

# Arithmetic.
	.macro sext r, s, bit
	encode 0x230000, .L\r, .L\s, \bit - 7
	.endm
	.macro define name, op
	.macro \name r, s, t
	encode \op, .L\r, .L\s, .L\t
	.endm
	.endm
	define min, 0x430000
	define max, 0x530000
	define minu, 0x630000
	define maxu, 0x730000
	define muluh, 0xa20000
	define mulsh, 0xb20000
	define quou, 0xc20000
	define quos, 0xd20000
	define remu, 0xe20000
	define rems, 0xf20000

# Handlers of window exceptions, and starting.
	.macro s32e t, s, offset
	encode 0x490000, \offset / 4 + 16, .L\s, .L\t
	.endm
	.macro l32e t, s, offset
	encode 0x090000, \offset / 4 + 16, .L\s, .L\t
	.endm
	.macro rfwo
	encode 0, 3, 4, 0
	.endm
	.macro rfwu
	encode 0, 3, 5, 0
	.endm
	.macro wsr.windowbase t
	encode 0x130000, 4, 8, .L\t
	.endm
	.macro wsr.windowstart t
	encode 0x130000, 4, 9, .L\t
	.endm
