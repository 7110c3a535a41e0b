//! Prints the folder of the emulated libcuda.so and libnvrtc.so, for LD_LIBRARY_PATH.

fn main() {
    println!("{}", rankzero_gpu_emulator::libraries().display());
}
