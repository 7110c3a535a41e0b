// Streams, events, kernels and graphs of the emulated CUDA driver.
#include "driver.hpp"

using namespace emulated;

extern "C" {

// For tests.
void emulated_cuda_finish() {
    ENTER;
    for (Stream* const stream : m.streams) {
        drain(*stream);
    }
}

int cuStreamCreate(void** stream, unsigned) {
    ENTER_CONTEXT;
    Stream* const one = new Stream();
    m.streams.insert(one);
    *stream = one;
    return SUCCESS;
}
int cuStreamDestroy_v2(void* stream) {
    ENTER_CONTEXT;
    drain(stream_of(stream));
    m.streams.erase(static_cast<Stream*>(stream));
    delete static_cast<Stream*>(stream);
    return SUCCESS;
}
int cuStreamSynchronize(void* stream) {
    ENTER_CONTEXT;
    return drain(stream_of(stream));
}

int cuEventCreate(void** event, unsigned) {
    ENTER_CONTEXT;
    *event = new Event();
    return SUCCESS;
}
int cuEventDestroy_v2(void* event) {
    ENTER_CONTEXT;
    Event* const one = static_cast<Event*>(event);
    if (one->stream != nullptr && !*one->done) {
        drain(*one->stream);
    }
    delete one;
    return SUCCESS;
}
int cuEventRecord(void* event, void* stream) {
    ENTER_CONTEXT;
    Event* const one = static_cast<Event*>(event);
    one->stream = &stream_of(stream);
    const auto done = std::make_shared<bool>(false);
    one->done = done;
    one->capture = one->stream->capture;
    if (one->capture != nullptr) {
        // Part of what is recorded; of itself it never happens.
        *done = true;
        return SUCCESS;
    }
    return enqueue(stream, [done] {
        *done = true;
        return SUCCESS;
    });
}
int cuEventQuery(void* event) {
    ENTER_CONTEXT;
    Event& one = *static_cast<Event*>(event);
    if (!*one.done) {
        if (m.settings.stall > 0) {
            --m.settings.stall;
        } else {
            advance(*one.stream);
        }
    }
    return m.broken != SUCCESS ? m.broken : *one.done ? SUCCESS : NOT_READY;
}
int cuEventSynchronize(void* event) {
    ENTER_CONTEXT;
    Event& one = *static_cast<Event*>(event);
    return *one.done ? m.broken : drain(*one.stream);
}
int cuStreamWaitEvent(void* stream, void* event, unsigned) {
    ENTER_CONTEXT;
    Event* const one = static_cast<Event*>(event);
    Stream& waiting = stream_of(stream);
    if (one->capture != nullptr) {
        // A stream that waits for what another records, records with it; the other has all of it where it waits in turn.
        if (waiting.capture == nullptr) {
            waiting.capture = one->capture;
        } else {
            one->stream->joined = true;
        }
        return waiting.capture == one->capture ? SUCCESS : INVALID_VALUE;
    }
    return enqueue(stream, [done = one->done, other = one->stream] {
        while (!*done && other != nullptr && !other->queue.empty()) {
            advance(*other);
        }
        return machine().broken;
    });
}

int cuModuleLoadData(void** module, const void* image) {
    ENTER_CONTEXT;
    const char* const words = static_cast<const char*>(image);
    // What NVRTC makes, or a test that has no NVRTC.
    if (memcmp(words, "\177ELF", 4) != 0 && memcmp(words, "EMUL", 4) != 0) {
        return INVALID_IMAGE;
    }
    static int loaded;
    *module = &loaded;
    return SUCCESS;
}
int cuModuleUnload(void*) { return SUCCESS; }
int cuModuleGetFunction(void** function, void*, const char* name) {
    ENTER_CONTEXT;
    const emulator::Entry* const entry = emulator::find(name);
    if (entry == nullptr) {
        return NOT_FOUND;
    }
    static std::map<std::string, Function>* const all = new std::map<std::string, Function>();
    Function& one = (*all)[name];
    one.entry = entry;
    *function = &one;
    return SUCCESS;
}
int cuFuncSetAttribute(void* function, int attribute, int value) {
    ENTER_CONTEXT;
    // The block memory that launches may ask for.
    if (attribute == 8) {
        if (value < 0 || value > m.settings.block_bytes) {
            return INVALID_VALUE;
        }
        static_cast<Function*>(function)->block_bytes_max = static_cast<size_t>(value);
    }
    return SUCCESS;
}
int cuLaunchKernel(void* function, unsigned blocks, unsigned y, unsigned z, unsigned threads, unsigned ty, unsigned tz,
                   unsigned block_bytes, void* stream, void** parameters, void**) {
    ENTER_CONTEXT;
    Function* const one = static_cast<Function*>(function);
    const bool flat = y == 1 && z == 1 && ty == 1 && tz == 1;
    if (!flat || blocks == 0 || threads == 0 || threads > 1024 || block_bytes > one->block_bytes_max) {
        return INVALID_VALUE;
    }
    // The driver copies the parameter when it is called.
    const emulator::Entry* const entry = one->entry;
    const std::string parameter(static_cast<const char*>(parameters[0]), entry->parameter_bytes);
    ++m.launches;
    return enqueue(stream, [=] {
        Machine& now = machine();
        ++now.runs;
        if (now.hangs.kernel == entry->name && now.hangs.good-- == 0) {
            now.settings.stall = UINT64_MAX;
        }
        // What fails has done a part of its work.
        const bool fails = now.settings.good-- == 0;
        const unsigned done = fails ? blocks / 2 : blocks;
        const auto outcome = emulator::run(entry->kernel, parameter.data(), done, threads, block_bytes,
                                           static_cast<emulator::Order>(now.settings.order), now.settings.seed++);
        return outcome == emulator::Outcome::done && !fails ? SUCCESS : LAUNCH_FAILED;
    });
}

int cuStreamBeginCapture_v2(void* stream, int) {
    ENTER_CONTEXT;
    Stream& one = stream_of(stream);
    if (one.capture != nullptr) {
        return INVALID_VALUE;
    }
    one.capture = new std::vector<Work>();
    return SUCCESS;
}
int cuStreamEndCapture(void* stream, void** graph) {
    ENTER_CONTEXT;
    Stream& one = stream_of(stream);
    if (one.capture == nullptr) {
        return INVALID_VALUE;
    }
    *graph = one.capture;
    bool joined = true;
    for (Stream* const other : m.streams) {
        if (other->capture == *graph) {
            joined = joined && (other == &one || other->joined);
            other->capture = nullptr;
        }
    }
    one.capture = nullptr;
    return joined ? SUCCESS : CAPTURE_UNJOINED;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
    ENTER_CONTEXT;
    *executable = new std::vector<Work>(*static_cast<std::vector<Work>*>(graph));
    return SUCCESS;
}
int cuGraphLaunch(void* executable, void* stream) {
    ENTER_CONTEXT;
    for (const Work& work : *static_cast<std::vector<Work>*>(executable)) {
        const Result result = enqueue(stream, work);
        if (result != SUCCESS) {
            return result;
        }
    }
    return SUCCESS;
}
int cuGraphExecDestroy(void* executable) {
    delete static_cast<std::vector<Work>*>(executable);
    return SUCCESS;
}
int cuGraphDestroy(void* graph) {
    delete static_cast<std::vector<Work>*>(graph);
    return SUCCESS;
}

}  // extern "C"
