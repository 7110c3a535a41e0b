//! Compiling kernels on the machine that has the card.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;

use cudarc::nvrtc::sys;

use crate::error::GpuError;
use crate::law::{self, Census};

/// What the compiler is told of the law ([`law`](mod@crate::law)).
pub const LAW: [&str; 4] = ["--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true"];

/// What is compiled together.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// The file's name.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Names and texts of the files that it includes.
    pub headers: &'a [(&'a str, &'a str)],
}

/// A compute capability, major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability(pub u32, pub u32);

/// The oldest card that is used: from Volta on the threads of a warp make progress by themselves.
pub const OLDEST: Capability = Capability(7, 0);

/// What kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Machine code, for cards of this capability and later ones of the same major number.
    Machine(Capability),
    /// PTX, which the driver turns into machine code for a card that the compiler does not know yet.
    Portable(Capability),
}

impl Target {
    /// The best that a compiler that knows `known` capabilities can do for a card; `None` where that is too old for it.
    pub fn of(card: Capability, known: &[Capability]) -> Option<Self> {
        let best = *known.iter().filter(|&&known| known <= card).max()?;
        Some(if best.0 == card.0 { Self::Machine(best) } else { Self::Portable(best) })
    }
}

impl fmt::Display for Target {
    /// The compiler's name of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(Capability(major, minor)) => write!(f, "sm_{major}{minor}"),
            Self::Portable(Capability(major, minor)) => write!(f, "compute_{major}{minor}"),
        }
    }
}

/// Compiled kernels.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What the driver loads: machine code, or PTX that ends with NUL.
    pub image: Vec<u8>,
    /// What the law's keeper saw.
    pub census: Census,
    /// What each kernel takes of a multiprocessor.
    pub usage: Vec<Usage>,
}

/// What a kernel takes of a multiprocessor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The kernel's name.
    pub kernel: String,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes that did not fit into registers, of a thread.
    pub spilled: u32,
    /// Bytes of local memory, of a thread.
    pub stack: u32,
    /// Bytes of a block's memory that are asked for in the source; what a launch asks for comes on top.
    pub shared: u32,
}

/// Compiles a unit for a target, with the options of the [`LAW`] and `further` ones, and looks whether the law was kept.
///
/// # Errors
/// [`GpuError::Lack`] without NVRTC, [`GpuError::Compile`] with the compiler's words, [`GpuError::Unlawful`].
pub fn compile(unit: &Unit<'_>, target: Target, further: &[&str]) -> Result<Compiled, GpuError> {
    crate::report::usable_nvrtc(&crate::cuda::nvrtc()).map_err(GpuError::Lack)?;
    let fail = |words: String| GpuError::Compile { unit: unit.name.to_owned(), target: target.to_string(), words };
    let arch = format!("--gpu-architecture={target}");
    let mut options = vec![arch.as_str(), "--std=c++17", "--ptxas-options=-v"];
    options.extend(LAW);
    options.extend(further);
    let program = Program::new(unit).map_err(fail)?;
    let outcome = program.compile(&options);
    let log = program.log();
    outcome.map_err(|error| fail(format!("{error}\n{log}")))?;
    let ptx = program.ptx().map_err(fail)?;
    let census = law::check(&ptx).map_err(|breach| GpuError::Unlawful {
        unit: unit.name.to_owned(),
        target: target.to_string(),
        breach,
    })?;
    let image = match target {
        Target::Machine(_) => program.cubin().map_err(fail)?,
        Target::Portable(_) => [ptx.as_bytes(), b"\0"].concat(),
    };
    Ok(Compiled { image, census, usage: usage(&log) })
}

/// The capabilities that this machine's NVRTC makes machine code for, ascending.
///
/// # Errors
/// [`GpuError::Lack`] without NVRTC, [`GpuError::Compile`] where it does not say.
pub fn capabilities() -> Result<Vec<Capability>, GpuError> {
    crate::report::usable_nvrtc(&crate::cuda::nvrtc()).map_err(GpuError::Lack)?;
    let fail =
        |words| GpuError::Compile { unit: "the list of capabilities".to_owned(), target: "all".to_owned(), words };
    let mut count: c_int = 0;
    // SAFETY: the library is there; the call writes one integer.
    told(unsafe { sys::nvrtcGetNumSupportedArchs(&mut count) }).map_err(fail)?;
    let mut list: Vec<c_int> = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: the call writes as many integers as it said.
    told(unsafe { sys::nvrtcGetSupportedArchs(list.as_mut_ptr()) }).map_err(fail)?;
    let mut list: Vec<Capability> =
        list.into_iter().filter_map(|n| u32::try_from(n).ok()).map(|n| Capability(n / 10, n % 10)).collect();
    list.sort_unstable();
    Ok(list)
}

/// A program within NVRTC.
struct Program(sys::nvrtcProgram);

impl Program {
    fn new(unit: &Unit<'_>) -> Result<Self, String> {
        let c = |text: &str| CString::new(text).map_err(|_| format!("{} holds a NUL", unit.name));
        let (name, text) = (c(unit.name)?, c(unit.text)?);
        let names = unit.headers.iter().map(|h| c(h.0)).collect::<Result<Vec<_>, _>>()?;
        let texts = unit.headers.iter().map(|h| c(h.1)).collect::<Result<Vec<_>, _>>()?;
        let pointers = |list: &[CString]| list.iter().map(|s| s.as_ptr()).collect::<Vec<_>>();
        let (name_pointers, text_pointers) = (pointers(&names), pointers(&texts));
        let mut program: sys::nvrtcProgram = std::ptr::null_mut();
        // SAFETY: the library is there (asked by the caller); all strings end with NUL and live until the call is over, after which
        // NVRTC has copies of them; there are as many names as texts.
        told(unsafe {
            sys::nvrtcCreateProgram(
                &mut program,
                text.as_ptr(),
                name.as_ptr(),
                unit.headers.len() as c_int,
                text_pointers.as_ptr(),
                name_pointers.as_ptr(),
            )
        })?;
        Ok(Self(program))
    }

    fn compile(&self, options: &[&str]) -> Result<(), String> {
        let options = options.iter().map(|o| CString::new(*o)).collect::<Result<Vec<_>, _>>();
        let options = options.map_err(|_| "an option holds a NUL".to_owned())?;
        let pointers: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        // SAFETY: the program is alive; there are as many options as told, and they end with NUL.
        told(unsafe { sys::nvrtcCompileProgram(self.0, pointers.len() as c_int, pointers.as_ptr()) })
    }

    /// What the compiler had to say, or nothing where it does not tell.
    fn log(&self) -> String {
        self.read(sys::nvrtcGetProgramLogSize, sys::nvrtcGetProgramLog).map(text).unwrap_or_default()
    }

    fn ptx(&self) -> Result<String, String> {
        self.read(sys::nvrtcGetPTXSize, sys::nvrtcGetPTX).map(text)
    }

    fn cubin(&self) -> Result<Vec<u8>, String> {
        self.read(sys::nvrtcGetCUBINSize, sys::nvrtcGetCUBIN)
    }

    fn read(
        &self,
        size: unsafe fn(sys::nvrtcProgram, *mut usize) -> sys::nvrtcResult,
        get: unsafe fn(sys::nvrtcProgram, *mut c_char) -> sys::nvrtcResult,
    ) -> Result<Vec<u8>, String> {
        let mut length = 0;
        // SAFETY: the program is alive; the call writes one number.
        told(unsafe { size(self.0, &mut length) })?;
        let mut bytes = vec![0u8; length];
        // SAFETY: the call writes as many bytes as it said.
        told(unsafe { get(self.0, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the program was made by NVRTC and is not used again.
        unsafe { sys::nvrtcDestroyProgram(&mut self.0) };
    }
}

fn text(bytes: Vec<u8>) -> String {
    CStr::from_bytes_until_nul(&bytes)
        .map_or_else(|_| String::from_utf8_lossy(&bytes).into_owned(), |text| text.to_string_lossy().into_owned())
}

fn told(result: sys::nvrtcResult) -> Result<(), String> {
    match result {
        sys::nvrtcResult::NVRTC_SUCCESS => Ok(()),
        error => Err(format!("{error:?}")),
    }
}

/// Reads what the assembler says of each kernel.
fn usage(log: &str) -> Vec<Usage> {
    let before = |line: &str, unit: &str| -> u32 {
        let number = line.split(unit).next().and_then(|text| text.trim_end().rsplit([' ', ',']).next());
        number.and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let mut all: Vec<Usage> = Vec::new();
    for line in log.lines() {
        if let Some(name) = line.split("Compiling entry function '").nth(1).and_then(|rest| rest.split('\'').next()) {
            all.push(Usage { kernel: name.to_owned(), ..Usage::default() });
        } else if let Some(last) = all.last_mut() {
            if line.contains("bytes stack frame") {
                last.stack = before(line, " bytes stack frame");
                last.spilled = before(line, " bytes spill stores");
            } else if line.contains(" registers") {
                last.registers = before(line, " registers");
                last.shared = if line.contains(" bytes smem") { before(line, " bytes smem") } else { 0 };
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_assembler_says_is_read() {
        let log = "ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'whole_step' for 'sm_90'
ptxas info    : Function properties for whole_step
ptxas         .     16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 80 registers, used 1 barriers, 64 bytes smem, 480 bytes cmem[0]
ptxas info    : Compiling entry function 'other' for 'sm_90'
ptxas info    : Used 7 registers
";
        let step = Usage { kernel: "whole_step".into(), registers: 80, spilled: 8, stack: 16, shared: 64 };
        let other = Usage { kernel: "other".into(), registers: 7, ..Usage::default() };
        assert_eq!(usage(log), [step, other]);
    }

    #[test]
    fn a_card_gets_the_newest_code_that_runs_on_it() {
        let known = [Capability(8, 0), Capability(8, 6), Capability(9, 0)];
        let table = [
            (Capability(9, 0), Some(Target::Machine(Capability(9, 0)))),
            (Capability(8, 9), Some(Target::Machine(Capability(8, 6)))),
            (Capability(8, 5), Some(Target::Machine(Capability(8, 0)))),
            (Capability(12, 0), Some(Target::Portable(Capability(9, 0)))),
            (Capability(7, 5), None),
        ];
        for (card, target) in table {
            assert_eq!(Target::of(card, &known), target, "{card:?}");
        }
        assert_eq!(Target::Portable(Capability(10, 0)).to_string(), "compute_100");
    }

    #[test]
    fn without_nvrtc_the_answer_is_what_is_lacking() {
        let unit = Unit { name: "nothing.cu", text: "", headers: &[] };
        match (crate::cuda::nvrtc(), compile(&unit, Target::Machine(Capability(9, 0)), &[])) {
            (crate::Library::Ready(_), outcome) => assert!(outcome.is_ok(), "{outcome:?}"),
            (_, outcome) => assert!(matches!(outcome, Err(GpuError::Lack(_))), "{outcome:?}"),
        }
    }
}
