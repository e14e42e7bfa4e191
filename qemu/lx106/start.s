# Starts the program on the core of the ESP8266: sets the address of the vectors and the stack.
# The exception vectors lead to fault(). The rest is in qemu/xtensa.

	.section .reset, "ax"
	.global start
start:
	j 1f
	.align 4
	.literal_position
1:
	movi a0, vectors
	wsr.vecbase a0
	movi a1, stack_top
	movi a0, 0x20
	wsr.ps a0
	rsync
	movi a0, begin
	jx a0

	.section .vectors, "ax"
vectors:
	.space 0x30
	j to_fault
	.org 0x50
	j to_fault
	.org 0x70
	j to_fault
	.org 0x80
	.literal_position
	.align 4
to_fault:
	movi a0, fault
	jx a0
