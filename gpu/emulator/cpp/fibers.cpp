#include "fibers.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "context.hpp"

#ifdef __x86_64__
asm(R"(
    .text
    .globl rankzero_emulator_switch
    .type rankzero_emulator_switch, @function
rankzero_emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size rankzero_emulator_switch, . - rankzero_emulator_switch
)");
#endif

namespace emulator {
namespace {

constexpr size_t STACK = 128 << 10;
constexpr size_t GUARD = 4 << 10;

enum class State { running, at_barrier, ended };

// A stack above a page that nobody may touch.
class Stack {
  public:
    Stack() {
        void* all = mmap(nullptr, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (all == MAP_FAILED) {
            throw std::bad_alloc();
        }
        bottom = static_cast<char*>(all);
        mprotect(bottom, GUARD, PROT_NONE);
    }
    ~Stack() { munmap(bottom, GUARD + STACK); }
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;
    void* memory() { return bottom + GUARD; }

  private:
    char* bottom;
};

struct Fiber {
    Context context;
    Stack stack;
    Self self;
    State state;
};

struct Block {
    std::vector<std::unique_ptr<Fiber>> fibers;
    Context scheduler;
    Fiber* current = nullptr;
    Kernel kernel = nullptr;
    const void* parameter = nullptr;
};

thread_local Block* running = nullptr;

void enter() {
    Block& block = *running;
    block.kernel(block.parameter);
    Fiber& fiber = *block.current;
    fiber.state = State::ended;
    fiber.context.leave_for(block.scheduler);
    // Nobody comes back here.
    abort();
}

// SplitMix64.
uint64_t next(uint64_t& seed) {
    uint64_t z = (seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void arrange(std::vector<size_t>& turns, Order order, uint64_t& seed) {
    std::iota(turns.begin(), turns.end(), size_t{0});
    if (order == Order::descending) {
        std::reverse(turns.begin(), turns.end());
    } else if (order == Order::shuffled) {
        for (size_t left = turns.size(); left > 1; --left) {
            std::swap(turns[left - 1], turns[next(seed) % left]);
        }
    }
}

// From one barrier to the next, or to the end. False where some have ended and others wait for them.
bool round(Block& block, const std::vector<size_t>& turns, bool& ended) {
    size_t at_end = 0;
    for (size_t turn : turns) {
        Fiber& fiber = *block.fibers[turn];
        fiber.state = State::running;
        block.current = &fiber;
        block.scheduler.leave_for(fiber.context);
        at_end += fiber.state == State::ended;
    }
    ended = at_end == turns.size();
    return ended || at_end == 0;
}

}  // namespace

Self& self() { return running->current->self; }

void barrier() {
    Fiber& fiber = *running->current;
    fiber.state = State::at_barrier;
    fiber.context.leave_for(running->scheduler);
}

Outcome run(Kernel kernel, const void* parameter, unsigned blocks, unsigned threads, size_t block_bytes, Order order,
            uint64_t seed) try {
    Block block;
    block.kernel = kernel;
    block.parameter = parameter;
    for (unsigned i = 0; i < threads; ++i) {
        block.fibers.push_back(std::make_unique<Fiber>());
    }
    constexpr size_t LINE = 256;
    const size_t whole = (block_bytes + LINE - 1) / LINE * LINE;
    std::unique_ptr<char, decltype(&free)> memory(static_cast<char*>(aligned_alloc(LINE, whole + LINE)), &free);
    if (!memory) {
        return Outcome::no_memory;
    }
    std::vector<size_t> turns(threads);
    Block* const outer = running;
    running = &block;
    Outcome outcome = Outcome::done;
    for (unsigned b = 0; b < blocks && outcome == Outcome::done; ++b) {
        // All ones is a NaN, and no index of anything.
        memset(memory.get(), 0xff, whole + LINE);
        for (unsigned i = 0; i < threads; ++i) {
            Fiber& fiber = *block.fibers[i];
            fiber.self = Self{{i, 0, 0}, {b, 0, 0}, {threads, 1, 1}, {blocks, 1, 1}, memory.get()};
            fiber.context.prepare(fiber.stack.memory(), STACK, enter);
            fiber.state = State::running;
        }
        for (bool ended = false; !ended && outcome == Outcome::done;) {
            arrange(turns, order, seed);
            if (!round(block, turns, ended)) {
                outcome = Outcome::barrier_not_reached;
            }
        }
        const char* end = memory.get() + whole + LINE;
        if (std::any_of(memory.get() + block_bytes, const_cast<char*>(end), [](char c) { return c != '\xff'; })) {
            outcome = Outcome::outside_block_memory;
        }
    }
    running = outer;
    return outcome;
} catch (const std::bad_alloc&) {
    return Outcome::no_memory;
}

}  // namespace emulator
