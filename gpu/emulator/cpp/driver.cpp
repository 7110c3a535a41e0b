// The part of the CUDA driver's interface that rankzero calls, over the emulated kernels: libcuda.so for tests. Devices and memory.
#include "driver.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <iterator>

using namespace emulated;

namespace emulated {

Machine& machine() {
    static Machine* const one = new Machine();
    return *one;
}

// EMULATED_CUDA_HANGS=NAME=VALUE:KERNEL:COUNT has the device of a process with that variable hang at a kernel, after so many of that name; for
// tests of processes.
Hangs hangs_from_environment() {
    const char* const words = getenv("EMULATED_CUDA_HANGS");
    const std::string all(words == nullptr ? "" : words);
    const size_t is = all.find('='), first = all.find(':'), second = all.find(':', first + 1);
    if (is == std::string::npos || first == std::string::npos || second == std::string::npos || first < is) {
        return Hangs{};
    }
    const char* const value = getenv(all.substr(0, is).c_str());
    if (value == nullptr || all.substr(is + 1, first - is - 1) != value) {
        return Hangs{};
    }
    return Hangs{all.substr(first + 1, second - first - 1), strtoull(all.c_str() + second + 1, nullptr, 10)};
}

thread_local void* current_context = nullptr;

const Allocation* holding(const std::map<uintptr_t, Allocation>& all, uintptr_t at, size_t bytes) {
    auto next = all.upper_bound(at);
    if (next == all.begin()) {
        return nullptr;
    }
    --next;
    return at + bytes <= next->first + next->second.bytes ? &next->second : nullptr;
}

Stream& stream_of(void* handle) { return handle == nullptr ? machine().default_stream : *static_cast<Stream*>(handle); }

Result enqueue(void* handle, Work work) {
    if (machine().broken != SUCCESS) {
        return machine().broken;
    }
    Stream& stream = stream_of(handle);
    if (stream.capture != nullptr) {
        stream.joined = false;
        stream.capture->push_back(std::move(work));
    } else {
        stream.queue.push_back(std::move(work));
    }
    return SUCCESS;
}

// One piece of work. As on a device, what fails breaks the context for good.
void advance(Stream& stream) {
    if (stream.queue.empty()) {
        return;
    }
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    const Result result = machine().broken != SUCCESS ? machine().broken : work();
    if (result != SUCCESS) {
        machine().broken = result;
    }
}

Result drain(Stream& stream) {
    while (!stream.queue.empty()) {
        advance(stream);
    }
    return machine().broken;
}

}  // namespace emulated

namespace {

int the_context;

// Memory that ends, but for up to 255 bytes, where a page begins that may not be touched; it is filled with ones.
Result allocate(std::map<uintptr_t, Allocation>& all, size_t bytes, uintptr_t& at) {
    const size_t rounded = (bytes + 255) / 256 * 256;
    const size_t mapped_bytes = (rounded + PAGE - 1) / PAGE * PAGE + PAGE;
    void* mapped = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        return OUT_OF_MEMORY;
    }
    char* guard = static_cast<char*>(mapped) + mapped_bytes - PAGE;
    mprotect(guard, PAGE, PROT_NONE);
    memset(guard - rounded, 0xff, rounded);
    at = reinterpret_cast<uintptr_t>(guard - rounded);
    all[at] = Allocation{static_cast<char*>(mapped), mapped_bytes, bytes};
    return SUCCESS;
}

Result release(std::map<uintptr_t, Allocation>& all, uintptr_t at, size_t* used) {
    const auto found = all.find(at);
    if (found == all.end()) {
        return INVALID_VALUE;
    }
    munmap(found->second.mapped, found->second.mapped_bytes);
    if (used != nullptr) {
        *used -= found->second.bytes;
    }
    all.erase(found);
    return SUCCESS;
}

Result copy(void* to, const void* from, size_t bytes) {
    memcpy(to, from, bytes);
    return SUCCESS;
}

}  // namespace

extern "C" {


// For tests.
void emulated_cuda_reset(uint64_t memory, int order, uint64_t seed, uint64_t stall, int block_bytes, uint64_t good) {
    ENTER;
    m.settings = Settings{static_cast<size_t>(memory), order, seed, stall, block_bytes, good};
    m.broken = SUCCESS;
    m.launches = 0;
    m.runs = 0;
}
uint64_t emulated_cuda_launches() {
    ENTER;
    return m.launches;
}
uint64_t emulated_cuda_runs() {
    ENTER;
    return m.runs;
}
uint64_t emulated_cuda_allocations() {
    ENTER;
    return m.device.size() + m.pinned.size() + m.lent.size();
}

int cuInit(unsigned) {
    ENTER;
    m.initialized = true;
    return SUCCESS;
}
int cuDriverGetVersion(int* version) {
    *version = 12080;
    return SUCCESS;
}
int cuGetErrorName(int error, const char** name) {
    *name = error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR";
    return SUCCESS;
}
int cuGetErrorString(int error, const char** words) {
    *words = error == OUT_OF_MEMORY     ? "out of memory"
             : error == ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
             : error == LAUNCH_FAILED   ? "unspecified launch failure"
                                        : "an error of the emulated driver";
    return SUCCESS;
}

int cuDeviceGetCount(int* count) {
    *count = 2;
    return SUCCESS;
}
int cuDeviceGet(int* device, int ordinal) {
    *device = ordinal;
    return ordinal >= 0 && ordinal < 2 ? SUCCESS : INVALID_DEVICE;
}
int cuDeviceGetName(char* name, int length, int device) {
    strncpy(name, device == 0 ? "emulated device" : "emulated old device", static_cast<size_t>(length));
    return SUCCESS;
}
int cuDeviceTotalMem_v2(size_t* bytes, int) {
    ENTER;
    *bytes = m.settings.memory;
    return SUCCESS;
}
int cuDeviceGetPCIBusId(char* id, int length, int device) {
    strncpy(id, device == 0 ? "0000:1B:00.0" : "0000:5E:00.0", static_cast<size_t>(length));
    return SUCCESS;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    ENTER;
    switch (attribute) {
        case 16: *value = 4; break;                      // multiprocessors
        case 75: *value = device == 0 ? 9 : 3; break;    // compute capability, major
        case 76: *value = 0; break;                      // and minor
        case 97: *value = m.settings.block_bytes; break;  // block memory that may be asked for
        case 124: *value = device == 0; break;           // dma-buf
        default: *value = 0; break;
    }
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void** context, int) {
    *context = &the_context;
    return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
int cuCtxGetCurrent(void** context) {
    *context = current_context;
    return SUCCESS;
}
int cuCtxSetCurrent(void* context) {
    current_context = context;
    return SUCCESS;
}
int cuCtxSynchronize() {
    ENTER_CONTEXT;
    return drain(m.default_stream);
}

int cuMemGetInfo_v2(size_t* free, size_t* total) {
    ENTER_CONTEXT;
    *total = m.settings.memory;
    *free = m.settings.memory - (m.used < m.settings.memory ? m.used : m.settings.memory);
    return SUCCESS;
}
int cuMemAlloc_v2(Address* address, size_t bytes) {
    ENTER_CONTEXT;
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    if (m.used + bytes > m.settings.memory) {
        return OUT_OF_MEMORY;
    }
    uintptr_t at = 0;
    const Result result = allocate(m.device, bytes, at);
    if (result == SUCCESS) {
        m.used += bytes;
        *address = at;
    }
    return result;
}
int cuMemFree_v2(Address address) {
    ENTER_CONTEXT;
    return release(m.device, static_cast<uintptr_t>(address), &m.used);
}
int cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
    ENTER_CONTEXT;
    uintptr_t at = 0;
    const Result result = allocate(m.pinned, bytes, at);
    *memory = reinterpret_cast<void*>(at);
    return result;
}
int cuMemFreeHost(void* memory) {
    ENTER_CONTEXT;
    return release(m.pinned, reinterpret_cast<uintptr_t>(memory), nullptr);
}
// The device has pages of its own of memory that is lent to it, at another address: as a device does, it keeps those of now.
int cuMemHostRegister_v2(void* memory, size_t bytes, unsigned) {
    ENTER_CONTEXT;
    const uintptr_t at = reinterpret_cast<uintptr_t>(memory);
    const auto next = m.lent.lower_bound(at + bytes);
    if (next != m.lent.begin() && std::prev(next)->first + std::prev(next)->second.bytes > at) {
        return ALREADY_REGISTERED;
    }
    const size_t mapped_bytes = (bytes + PAGE - 1) / PAGE * PAGE;
    // Of length 0, it leaves the mapping and makes another of the same pages, where these are shared.
    void* const mapped = at % PAGE == 0 ? mremap(memory, 0, mapped_bytes, MREMAP_MAYMOVE) : MAP_FAILED;
    if (mapped == MAP_FAILED) {
        return NOT_SUPPORTED;
    }
    m.lent[at] = Allocation{static_cast<char*>(mapped), mapped_bytes, bytes};
    return SUCCESS;
}
int cuMemHostUnregister(void* memory) {
    ENTER_CONTEXT;
    return release(m.lent, reinterpret_cast<uintptr_t>(memory), nullptr) == SUCCESS ? SUCCESS : NOT_REGISTERED;
}
int cuMemHostGetDevicePointer_v2(Address* address, void* memory, unsigned) {
    ENTER_CONTEXT;
    const auto lent = m.lent.find(reinterpret_cast<uintptr_t>(memory));
    if (lent != m.lent.end()) {
        *address = reinterpret_cast<uintptr_t>(lent->second.mapped);
        return SUCCESS;
    }
    *address = reinterpret_cast<uintptr_t>(memory);
    return holding(m.pinned, reinterpret_cast<uintptr_t>(memory), 1) != nullptr ? SUCCESS : INVALID_VALUE;
}
int cuMemGetHandleForAddressRange(void* handle, Address address, size_t bytes, int type, unsigned long long) {
    ENTER_CONTEXT;
    if (type != 1 || address % PAGE != 0 || bytes % PAGE != 0 || holding(m.device, static_cast<uintptr_t>(address), bytes) == nullptr) {
        return INVALID_VALUE;
    }
    const int file = memfd_create("emulated-dma-buf", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0) {
        return NOT_SUPPORTED;
    }
    *static_cast<int*>(handle) = file;
    return SUCCESS;
}

int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* stream) {
    ENTER_CONTEXT;
    if (holding(m.device, static_cast<uintptr_t>(to), bytes) == nullptr) {
        return INVALID_VALUE;
    }
    void* const target = reinterpret_cast<void*>(static_cast<uintptr_t>(to));
    if (holding(m.pinned, reinterpret_cast<uintptr_t>(from), bytes) != nullptr) {
        return enqueue(stream, [=] { return copy(target, from, bytes); });
    }
    const std::string staged(static_cast<const char*>(from), bytes);
    return enqueue(stream, [=] { return copy(target, staged.data(), bytes); });
}
int cuMemcpyHtoD_v2(Address to, const void* from, size_t bytes) {
    ENTER_CONTEXT;
    if (holding(m.device, static_cast<uintptr_t>(to), bytes) == nullptr) {
        return INVALID_VALUE;
    }
    return copy(reinterpret_cast<void*>(static_cast<uintptr_t>(to)), from, bytes);
}
int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* stream) {
    ENTER_CONTEXT;
    if (holding(m.device, static_cast<uintptr_t>(from), bytes) == nullptr) {
        return INVALID_VALUE;
    }
    const void* const source = reinterpret_cast<void*>(static_cast<uintptr_t>(from));
    const Result result = enqueue(stream, [=] { return copy(to, source, bytes); });
    const bool pinned = holding(m.pinned, reinterpret_cast<uintptr_t>(to), bytes) != nullptr;
    return result == SUCCESS && !pinned ? drain(stream_of(stream)) : result;
}

}  // extern "C"
