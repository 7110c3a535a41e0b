// Where a fiber stands, and the switch from one to another. On x86-64 it takes a few nanoseconds; elsewhere the system's own way does, which
// asks the kernel each time.
#pragma once
#include <cstddef>
#include <cstdint>

#ifdef __x86_64__

// Puts down the registers that a call keeps, leaves the stack in *from, and goes on with the stack `to`.
extern "C" void rankzero_emulator_switch(void** from, void* to);

namespace emulator {

class Context {
  public:
    // Has the context begin with `entry`, which never returns, on this stack.
    void prepare(void* stack, size_t bytes, void (*entry)()) {
        auto* top = reinterpret_cast<uintptr_t*>((reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t{15});
        // Where a caller would have left its return address, the entry, and six registers.
        *--top = 0;
        *--top = reinterpret_cast<uintptr_t>(entry);
        for (int i = 0; i < 6; ++i) {
            *--top = 0;
        }
        stack_pointer = top;
    }

    // Leaves for another context, until somebody comes back.
    void leave_for(Context& other) { rankzero_emulator_switch(&stack_pointer, other.stack_pointer); }

  private:
    void* stack_pointer = nullptr;
};

}  // namespace emulator

#else

#include <ucontext.h>

namespace emulator {

class Context {
  public:
    void prepare(void* stack, size_t bytes, void (*entry)()) {
        getcontext(&context);
        context.uc_stack.ss_sp = stack;
        context.uc_stack.ss_size = bytes;
        context.uc_link = nullptr;
        makecontext(&context, entry, 0);
    }

    void leave_for(Context& other) { swapcontext(&context, &other.context); }

  private:
    ucontext_t context;
};

}  // namespace emulator

#endif
