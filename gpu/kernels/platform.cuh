// What the kernels take for granted of their compiler. NVRTC compiles them as they are; gpu/emulator compiles them with g++, after
// declaring the few words of CUDA that they use.
//
// The law: only + - * / sqrtf, fmaf where the CPU has `mul_add`, and choices between two values. No fminf, fmaxf, no atomics on
// floats. The compiler is told to contract nothing and to round everything correctly.
#pragma once

typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

// `static`, since the emulator compiles the same functions several times over; members belong into a nameless namespace for that.
#define DEVICE static __device__ __forceinline__

// The block's memory, of as many bytes as the launch asks for.
#ifndef BLOCK_MEMORY
#define BLOCK_MEMORY(name) extern __shared__ uint4 name[]
#endif

// Before a loop whose arrays are to stay in registers.
#ifndef UNROLL
#define UNROLL _Pragma("unroll")
#endif

// Tetrahedra of a colour share no node; those of the next one share nodes with them. The emulator takes this barrier away to show
// that its tests notice.
#ifndef BETWEEN_COLOURS
#define BETWEEN_COLOURS() __syncthreads()
#endif
