// The part of NVRTC's interface that rankzero calls: libnvrtc.so for tests. It compiles nothing; what it gives instead the emulated driver
// loads, whose kernels were compiled with the rest of it. A source with the word "unlawful" becomes a PTX that breaks the law, one with
// "#error" is refused.
#include <cstring>
#include <string>

namespace {

struct Program {
    std::string source;
    std::string log;
    std::string ptx;
};

constexpr int SUCCESS = 0;
constexpr int COMPILATION = 6;
const char IMAGE[] = "EMULATED";

Program& of(void* program) { return *static_cast<Program*>(program); }

}  // namespace

extern "C" {

int nvrtcVersion(int* major, int* minor) {
    *major = 12;
    *minor = 8;
    return SUCCESS;
}
int nvrtcGetNumSupportedArchs(int* count) {
    *count = 2;
    return SUCCESS;
}
int nvrtcGetSupportedArchs(int* all) {
    all[0] = 80;
    all[1] = 90;
    return SUCCESS;
}
int nvrtcCreateProgram(void** program, const char* source, const char*, int, const char* const*, const char* const*) {
    *program = new Program{source, {}, {}};
    return SUCCESS;
}
int nvrtcDestroyProgram(void** program) {
    delete static_cast<Program*>(*program);
    *program = nullptr;
    return SUCCESS;
}
int nvrtcCompileProgram(void* program, int, const char* const*) {
    Program& one = of(program);
    if (one.source.find("#error") != std::string::npos) {
        one.log = "a.cu(1): error: #error";
        return COMPILATION;
    }
    const bool unlawful = one.source.find("unlawful") != std::string::npos;
    one.ptx = unlawful ? "\tmul.f32 %f1, %f2, %f3;\n" : "\tmul.rn.f32 %f1, %f2, %f3;\n";
    return SUCCESS;
}
int nvrtcGetProgramLogSize(void* program, size_t* size) {
    *size = of(program).log.size() + 1;
    return SUCCESS;
}
int nvrtcGetProgramLog(void* program, char* log) {
    memcpy(log, of(program).log.c_str(), of(program).log.size() + 1);
    return SUCCESS;
}
int nvrtcGetPTXSize(void* program, size_t* size) {
    *size = of(program).ptx.size() + 1;
    return SUCCESS;
}
int nvrtcGetPTX(void* program, char* ptx) {
    memcpy(ptx, of(program).ptx.c_str(), of(program).ptx.size() + 1);
    return SUCCESS;
}
int nvrtcGetCUBINSize(void*, size_t* size) {
    *size = sizeof IMAGE;
    return SUCCESS;
}
int nvrtcGetCUBIN(void*, char* image) {
    memcpy(image, IMAGE, sizeof IMAGE);
    return SUCCESS;
}

}  // extern "C"
