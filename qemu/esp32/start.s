# Starts the program on a core with register windows, saves and restores windows, and does MULUH and
# MULSH, which the ESP32 has and QEMU's core has not. Other exceptions lead to fault(). The rest is
# in qemu/xtensa; xtask/xtensa/esp32.s has the instructions that the assembler does not know.

	.section .reset, "ax"
	.global start
start:
	j 1f
	.align 4
	.literal_position
1:
	movi a0, vectors
	wsr.vecbase a0
	movi a0, begin
	j enter
to_fault:
	movi a0, fault
# Calls the function in a0, in the first window, with nothing in the others.
enter:
	wsr.excsave1 a0
	movi a0, 1
	wsr.windowstart a0
	movi a0, 0
	wsr.windowbase a0
	rsync
	movi a1, stack_top
	movi a0, 0x40020
	wsr.ps a0
	rsync
	rsr.excsave1 a4
	movi a0, 0
	callx4 a4

	.section .vectors, "ax"
vectors:
# Overflow and underflow of a window that has called with callx4, callx8, callx12: four registers
# are below the callee's frame, the others in the caller's own.
	s32e a0, a5, -16
	s32e a1, a5, -12
	s32e a2, a5, -8
	s32e a3, a5, -4
	rfwo
	.org 0x40
	l32e a0, a5, -16
	l32e a1, a5, -12
	l32e a2, a5, -8
	l32e a3, a5, -4
	rfwu
	.org 0x80
	s32e a0, a9, -16
	l32e a0, a1, -12
	s32e a1, a9, -12
	s32e a2, a9, -8
	s32e a3, a9, -4
	s32e a4, a0, -32
	s32e a5, a0, -28
	s32e a6, a0, -24
	s32e a7, a0, -20
	rfwo
	.org 0xc0
	l32e a0, a9, -16
	l32e a1, a9, -12
	l32e a2, a9, -8
	l32e a7, a1, -12
	l32e a3, a9, -4
	l32e a4, a7, -32
	l32e a5, a7, -28
	l32e a6, a7, -24
	l32e a7, a7, -20
	rfwu
# callx12 is not used.
	.org 0x100
	j far_fault
	.org 0x140
	j far_fault
# Interrupts of level 2 and debugging, exceptions in the vectors above.
	.org 0x280
	j far_fault
	.org 0x300
	j far_fault
# All other exceptions.
	.org 0x340
	j exception
	.org 0x3c0
	j far_fault
	.org 0x400
	.literal_position
	.align 4
far_fault:
	movi a0, to_fault
	jx a0

exception:
	wsr.excsave1 a0
	movi a0, registers
	.irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	s32i a\n, a0, \n * 4
	.endr
	rsr.excsave1 a1
	s32i a1, a0, 0
	rsr.exccause a2
	bnez a2, far_fault
# Byte 0: t, 0. Byte 1: r, s. Byte 2: 0xa2 for MULUH, 0xb2 for MULSH.
	rsr.epc1 a3
	l8ui a4, a3, 0
	l8ui a5, a3, 1
	l8ui a6, a3, 2
	extui a7, a4, 0, 4
	bnez a7, far_fault
	extui a7, a6, 5, 3
	bnei a7, 5, far_fault
	extui a7, a6, 0, 4
	bnei a7, 2, far_fault
# a7 = s, a4 = t.
	extui a7, a5, 0, 4
	addx4 a7, a7, a0
	l32i a7, a7, 0
	srli a4, a4, 4
	addx4 a4, a4, a0
	l32i a4, a4, 0
# a15 = the high word of their product, from the products of their halves.
	extui a8, a7, 0, 16
	extui a9, a7, 16, 16
	extui a10, a4, 0, 16
	extui a11, a4, 16, 16
	mull a12, a8, a10
	mull a13, a9, a10
	mull a14, a8, a11
	mull a15, a9, a11
	extui a12, a12, 16, 16
	add a13, a13, a12
	extui a12, a13, 0, 16
	add a14, a14, a12
	extui a13, a13, 16, 16
	extui a14, a14, 16, 16
	add a15, a15, a13
	add a15, a15, a14
	bbci a6, 4, 2f
	bgez a7, 1f
	sub a15, a15, a4
1:
	bgez a4, 2f
	sub a15, a15, a7
2:
	srli a5, a5, 4
	addx4 a5, a5, a0
	s32i a15, a5, 0
	addi a3, a3, 3
	wsr.epc1 a3
	.irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0
	l32i a\n, a0, \n * 4
	.endr
	rfe

	.bss
	.align 4
registers:
	.space 64
