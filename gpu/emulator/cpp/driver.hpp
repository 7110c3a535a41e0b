// The state of the emulated CUDA driver, of which driver.cpp serves devices and memory, driver_work.cpp streams, kernels and graphs.
//
// Device memory is the host's, with a page behind each allocation that nobody may touch. Work on a stream waits until somebody asks for
// its outcome, as late as a real device could be: who forgets to wait reads what was there before. Copies from and to pinned memory
// happen when their turn comes; those from other memory at once, as CUDA promises.
#pragma once
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fibers.hpp"

namespace emulated {
using Address = unsigned long long;

enum Result : int {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    ALREADY_REGISTERED = 712,
    NOT_REGISTERED = 713,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801,
    CAPTURE_UNJOINED = 904,
};

constexpr size_t PAGE = 4096;

struct Allocation {
    char* mapped;
    size_t mapped_bytes;
    size_t bytes;
};

using Work = std::function<Result()>;

struct Stream;

struct Event {
    Stream* stream = nullptr;
    // Of the last time that it was recorded: who waits does so for the one of that moment.
    std::shared_ptr<bool> done = std::make_shared<bool>(true);
    // What the stream recorded then, of which the event is part.
    std::vector<Work>* capture = nullptr;
};

struct Stream {
    std::deque<Work> queue;
    std::vector<Work>* capture = nullptr;
    // Whether the stream that records waits for all that this one was given meanwhile.
    bool joined = true;
};

struct Function {
    const emulator::Entry* entry;
    size_t block_bytes_max = 48 << 10;
};

// What tests set.
struct Settings {
    size_t memory = size_t{1} << 30;
    int order = 0;
    uint64_t seed = 0;
    // Work that hangs: so many queries of an event say "not ready" before anything moves.
    uint64_t stall = 0;
    // The most that a block may ask for.
    int block_bytes = 232448;
    // So many kernels run before one fails.
    uint64_t good = UINT64_MAX;
};

// Hangs at a kernel of this name, after so many.
struct Hangs {
    std::string kernel;
    uint64_t good = 0;
};

Hangs hangs_from_environment();

struct Machine {
    std::recursive_mutex lock;
    bool initialized = false;
    Settings settings;
    std::map<uintptr_t, Allocation> device, pinned;
    // Memory of others, by its address; `mapped` is where the device has it.
    std::map<uintptr_t, Allocation> lent;
    size_t used = 0;
    Result broken = SUCCESS;
    Stream default_stream;
    std::set<Stream*> streams;
    // Kernels launched, and kernels run, those of graphs each time.
    uint64_t launches = 0;
    uint64_t runs = 0;
    Hangs hangs = hangs_from_environment();
};

Machine& machine();

// The context that the calling thread uses.
extern thread_local void* current_context;

// The allocation that holds so many bytes from an address on, or null.
const Allocation* holding(const std::map<uintptr_t, Allocation>& all, uintptr_t at, size_t bytes);

// The default stream for null.
Stream& stream_of(void* handle);

// Puts work off, or notes it where the stream records.
Result enqueue(void* handle, Work work);

// Does one piece of work. As on a device, what fails breaks the context for good.
void advance(Stream& stream);

// Does all of it.
Result drain(Stream& stream);

}  // namespace emulated

#define ENTER                                              \
    emulated::Machine& m = emulated::machine();                              \
    const std::lock_guard<std::recursive_mutex> held(m.lock); \
    (void)m

#define ENTER_CONTEXT                   \
    ENTER;                              \
    if (!m.initialized) return NOT_INITIALIZED; \
    if (current_context == nullptr) return INVALID_CONTEXT
