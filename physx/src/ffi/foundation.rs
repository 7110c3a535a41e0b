//! The one `PxFoundation` and `PxPhysics` of the process, PhysX's error stream, and the floating-point environment.
//!
//! PhysX allows a single foundation a process and never needs it torn down, so both objects live behind a
//! [`OnceLock`] until the process ends. Objects are made and released under [`construction`]; stepping distinct
//! scenes from distinct threads needs no lock.

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use physx_sys as px;

/// Why PhysX cannot be used in this process.
#[derive(Debug, Clone, thiserror::Error)]
#[error("PhysX did not start: {what}{}", detail(.messages))]
pub struct StartError {
    what: &'static str,
    messages: Vec<String>,
}

/// The process-wide PhysX objects.
#[derive(Debug)]
pub struct Physics {
    physics: NonNull<px::PxPhysics>,
}

// SAFETY: `PxPhysics` may be called from any thread; its factories lock internally, and we serialise them besides.
unsafe impl Send for Physics {}
// SAFETY: as above: no method of `Physics` hands out unsynchronised mutable state.
unsafe impl Sync for Physics {}

static PHYSICS: OnceLock<Result<Physics, StartError>> = OnceLock::new();
static CONSTRUCTION: Mutex<()> = Mutex::new(());

thread_local! {
    /// What PhysX reported on this thread since the innermost [`watch`] began; `None` outside any watch.
    static REPORTS: RefCell<Option<Vec<Report>>> = const { RefCell::new(None) };
}

/// One line of PhysX's error stream.
#[derive(Debug, Clone)]
pub struct Report {
    /// True for failures (out of memory, internal error, abort, invalid use); false for warnings and information.
    pub failure: bool,
    /// PhysX's text, with its source position.
    pub text: String,
}

/// Starts PhysX on the first call and returns the same objects ever after.
///
/// # Errors
/// [`StartError`], the same one on every call, if PhysX refused to start.
pub fn ensure() -> Result<&'static Physics, StartError> {
    PHYSICS.get_or_init(start).as_ref().map_err(Clone::clone)
}

impl Physics {
    /// The raw object, valid for the rest of the process.
    pub fn as_ptr(&self) -> *mut px::PxPhysics {
        self.physics.as_ptr()
    }

    /// PhysX's tolerances: metres and 10 m/s, the defaults of the library.
    pub fn tolerances(&self) -> *const px::PxTolerancesScale {
        // SAFETY: the object lives for the rest of the process, and this getter only reads.
        unsafe { px::PxPhysics_getTolerancesScale(self.as_ptr()) }
    }

    /// The callback by which cooked meshes enter PhysX without a stream in between.
    pub fn insertion(&self) -> *mut px::PxInsertionCallback {
        // SAFETY: the object lives for the rest of the process; the callback is a member of it.
        unsafe { px::PxPhysics_getPhysicsInsertionCallback_mut(self.as_ptr()) }
    }
}

/// Held while PhysX objects are made or released, so that worlds may be built on several threads at once.
pub fn construction() -> MutexGuard<'static, ()> {
    CONSTRUCTION.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `call` and returns what PhysX reported meanwhile on this thread. PhysX works only on the calling thread (our
/// dispatchers have no threads of their own), so nothing is missed. The floating-point environment is pinned again
/// afterwards: PhysX switches denormals off inside its calls.
pub fn watch<T>(call: impl FnOnce() -> T) -> (T, Vec<Report>) {
    let outer = REPORTS.replace(Some(Vec::new()));
    let value = call();
    pin_float_environment();
    let reports = REPORTS.replace(outer).unwrap_or_default();
    (value, reports)
}

/// What PhysX reported as the end of an error message: empty, or `: first; second`.
pub fn failures(reports: &[Report]) -> String {
    let texts: Vec<String> = reports.iter().map(|r| r.text.clone()).collect();
    detail(&texts)
}

fn detail(messages: &[String]) -> String {
    if messages.is_empty() { String::new() } else { format!(": {}", messages.join("; ")) }
}

fn start() -> Result<Physics, StartError> {
    let (made, reports) = watch(|| {
        let version = px::version(5, 1, 3);
        // SAFETY: `report` is a function of the asked signature that lives as long as the program and never unwinds;
        // the allocator is PhysX's own static one; PhysX keeps both for the rest of the process.
        unsafe {
            let errors = px::create_error_callback(report, null_mut());
            let foundation = px::phys_PxCreateFoundation(version, px::get_default_allocator().cast(), errors);
            if foundation.is_null() {
                return Err("no PxFoundation (another one in this process, or the headers are of another version)");
            }
            let scale = px::PxTolerancesScale_new(1.0, 10.0);
            let physics = px::phys_PxCreatePhysics(version, foundation, &scale, false, null_mut(), null_mut());
            NonNull::new(physics).ok_or("no PxPhysics")
        }
    });
    match made {
        Ok(physics) => Ok(Physics { physics }),
        Err(what) => Err(StartError { what, messages: reports.into_iter().map(|r| r.text).collect() }),
    }
}

/// Receives PhysX's error stream. Never panics: it is called from C++.
unsafe extern "C" fn report(
    code: px::PxErrorCode,
    message: *const i8,
    file: *const i8,
    line: u32,
    _user: *const c_void,
) {
    let text = |p: *const i8| {
        if p.is_null() {
            return String::from("?");
        }
        // SAFETY: PhysX passes NUL-terminated strings that live through the call; null was ruled out above.
        unsafe { CStr::from_ptr(p.cast()) }.to_string_lossy().into_owned()
    };
    let file = text(file);
    let place = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let text = format!("{} ({place}:{line})", text(message));
    let failure = match code {
        px::PxErrorCode::NoError | px::PxErrorCode::DebugInfo => {
            tracing::debug!(target: "physx", "{text}");
            false
        }
        px::PxErrorCode::DebugWarning | px::PxErrorCode::PerfWarning => {
            tracing::warn!(target: "physx", "{text}");
            false
        }
        _ => {
            tracing::error!(target: "physx", "{text}");
            true
        }
    };
    // `try_with` and `try_borrow_mut`: a thread that ends, or a report within a report, loses the copy, not the log.
    let _ = REPORTS.try_with(|cell| {
        if let Ok(mut open) = cell.try_borrow_mut()
            && let Some(list) = open.as_mut()
        {
            list.push(Report { failure, text });
        }
    });
}

/// MXCSR at power-up: round to nearest, denormals on, every exception masked.
const MXCSR_DEFAULT: u32 = 0x1F80;
/// The sticky exception flags of MXCSR, which record and decide nothing.
const MXCSR_STICKY: u32 = 0x3F;

/// Gives the calling thread the floating-point environment the solver is defined in: round to nearest, denormals on
/// (no FTZ, no DAZ), exceptions masked. Call it at the start of every thread that computes. Costs a few cycles.
pub fn pin_float_environment() {
    if mxcsr() & !MXCSR_STICKY == MXCSR_DEFAULT {
        return;
    }
    let value = MXCSR_DEFAULT;
    // SAFETY: the operand points at a live `u32`; the value sets no reserved bit, and it is the environment that
    // compiled Rust code assumes.
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly));
    }
}

/// Asserts that [`pin_float_environment`] still holds on the calling thread.
///
/// # Panics
/// If another library changed the environment: from here on every bit of the state would be in doubt.
pub fn assert_float_environment() {
    let now = mxcsr();
    assert!(
        now & !MXCSR_STICKY == MXCSR_DEFAULT,
        "MXCSR is {now:#06x}, not {MXCSR_DEFAULT:#06x}: a library changed the floating-point environment of this thread"
    );
}

fn mxcsr() -> u32 {
    let mut value = 0u32;
    // SAFETY: the operand points at a live, writable `u32`; reading MXCSR has no other effect.
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flush_to_zero_is_undone() {
        let ftz: u32 = 0x9FC0;
        // SAFETY: sets FTZ and DAZ on this thread only, with no float computed before they are cleared again.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const ftz, options(nostack, readonly)) };
        pin_float_environment();
        assert_float_environment();
        let denormal = std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
        assert!(denormal > 0.0);
    }

    #[test]
    fn physx_starts_once_and_from_any_thread() {
        let at: Vec<usize> = std::thread::scope(|s| {
            let all: Vec<_> = (0..4).map(|_| s.spawn(|| ensure().map(|p| p.as_ptr() as usize))).collect();
            all.into_iter().filter_map(|t| t.join().ok()?.ok()).collect()
        });
        assert_eq!(at.len(), 4);
        assert!(at.windows(2).all(|w| w[0] == w[1]));
    }

    #[test]
    fn reports_reach_the_watch_and_not_stderr() -> Result<(), StartError> {
        let physics = ensure()?;
        let ((), reports) = watch(|| {
            let points = [0.0f32; 6];
            // SAFETY: a plain cooking call with a live buffer of the stated size; two points are too few for it.
            unsafe {
                let mut desc = px::PxConvexMeshDesc_new();
                desc.points.count = 2;
                desc.points.stride = 12;
                desc.points.data = points.as_ptr().cast();
                desc.flags = px::PxConvexFlags::ComputeConvex;
                let params = px::PxCookingParams_new(physics.tolerances());
                let mesh = px::phys_PxCreateConvexMesh(&params, &desc, physics.insertion(), null_mut());
                assert!(mesh.is_null());
            }
        });
        assert!(reports.iter().any(|r| r.failure), "{reports:?}");
        Ok(())
    }
}
