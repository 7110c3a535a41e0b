//! A card opened for work: its context, its kernels, what it has.

use std::sync::Arc;

use cudarc::driver::sys::{CUdevice_attribute_enum as attribute, CUfunction_attribute_enum as function_attribute};
use cudarc::driver::{CudaContext, CudaFunction, DriverError, result};
use cudarc::nvrtc::Ptx;

use crate::cache::{Cache, Key};
use crate::compile::{OLDEST, Target, Unit, capabilities, compile};
use crate::error::GpuError;
use crate::report::{Device, GpuReport, Library, Version, usable_nvrtc};

/// An opened card. Its context is the device's primary one, which other libraries of the process share.
#[derive(Debug)]
pub struct Card {
    pub(crate) context: Arc<CudaContext>,
    device: Device,
    driver: Version,
    block_bytes_max: usize,
}

/// A kernel that is loaded.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub(crate) function: CudaFunction,
    name: String,
}

impl Kernel {
    /// Its name in the source.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Card {
    /// Opens the device with this number in the driver's order.
    ///
    /// # Errors
    /// [`GpuError::Lack`] where there is no driver that can be used, [`GpuError::NoDevice`] where there is no such device,
    /// [`GpuError::TooOld`], [`GpuError::Driver`].
    pub fn open(ordinal: u32) -> Result<Arc<Self>, GpuError> {
        Self::of(&crate::probe(), ordinal)
    }

    /// The same, by what was found before.
    ///
    /// # Errors
    /// As [`Card::open`].
    pub fn of(report: &GpuReport, ordinal: u32) -> Result<Arc<Self>, GpuError> {
        if let Some(lack) = report.lacks.iter().find(|lack| lack.is_of_driver()) {
            return Err(GpuError::Lack(lack.clone()));
        }
        let driver = match report.driver {
            Library::Ready(version) => version,
            Library::Missing | Library::Broken(_) => Version { major: 0, minor: 0 },
        };
        let found = report.devices.iter().find(|device| device.ordinal == ordinal);
        let device = found.cloned().ok_or(GpuError::NoDevice { ordinal, devices: report.devices.len() })?;
        if device.capability() < OLDEST {
            return Err(GpuError::TooOld { device: device.to_string() });
        }
        let context = CudaContext::new(ordinal as usize).map_err(during("opening the device"))?;
        let block = context.attribute(attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
        let block_bytes_max = block.map_err(during("asking for the memory of a block"))?;
        Ok(Arc::new(Self { context, device, driver, block_bytes_max: usize::try_from(block_bytes_max).unwrap_or(0) }))
    }

    /// What the driver says of it.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The most memory that a block may ask for, bytes.
    pub fn block_bytes_max(&self) -> usize {
        self.block_bytes_max
    }

    /// Bytes of device memory that nobody uses now.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn free_bytes(&self) -> Result<u64, GpuError> {
        self.context.mem_get_info().map(|(free, _)| free as u64).map_err(during("asking for free memory"))
    }

    /// Compiles and loads a unit, or loads what the cache has of it. Gives its kernels, in the order of `names`, and what the cache
    /// complains of.
    ///
    /// # Errors
    /// [`GpuError::Lack`] without NVRTC, [`GpuError::Compile`], [`GpuError::Unlawful`], [`GpuError::Driver`].
    pub fn kernels(
        self: &Arc<Self>,
        unit: &Unit<'_>,
        names: &[&str],
        cache: &Cache,
    ) -> Result<(Vec<Kernel>, Option<String>), GpuError> {
        let nvrtc = usable_nvrtc(&crate::cuda::nvrtc()).map_err(GpuError::Lack)?;
        let target = Target::of(self.device.capability(), &capabilities()?)
            .ok_or_else(|| GpuError::TooOld { device: self.device.to_string() })?;
        let key = Key::new(unit, target, nvrtc, self.driver);
        let (image, complaint) = cache.get_or_make(key, || compile(unit, target, &[]).map(|made| made.image))?;
        Ok((self.load(image, names)?, complaint))
    }

    /// Loads an image that was compiled for this card.
    ///
    /// # Errors
    /// [`GpuError::Driver`] where the driver does not take it, or it has no kernel of a name.
    pub fn load(self: &Arc<Self>, image: Vec<u8>, names: &[&str]) -> Result<Vec<Kernel>, GpuError> {
        let module = self.context.load_module(Ptx::from_binary(image)).map_err(during("loading kernels"))?;
        let kernel = |name: &&str| {
            let function = module.load_function(name).map_err(during("looking for a kernel"))?;
            let most = i32::try_from(self.block_bytes_max).unwrap_or(i32::MAX);
            function
                .set_attribute(function_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, most)
                .map_err(during("asking for the memory of a block"))?;
            Ok(Kernel { function, name: (*name).to_owned() })
        };
        names.iter().map(kernel).collect()
    }
}

/// Words in device memory, freed with the last owner.
#[derive(Debug)]
pub struct Memory {
    card: Arc<Card>,
    address: u64,
    words: usize,
}

impl Memory {
    /// Reserves words, of which nothing is known yet.
    ///
    /// # Errors
    /// [`GpuError::Driver`], of which out of memory is one.
    pub fn new(card: &Arc<Card>, words: usize) -> Result<Self, GpuError> {
        card.context.bind_to_thread().map_err(during("using the device"))?;
        // The driver refuses to reserve nothing.
        let bytes = 4 * words.max(1);
        // SAFETY: the memory is written before it is read, by uploads and kernels; until then it holds words all the same.
        let address = unsafe { result::malloc_sync(bytes) }.map_err(during("reserving device memory"))?;
        Ok(Self { card: card.clone(), address, words })
    }

    /// Device memory that holds these words.
    ///
    /// # Errors
    /// As [`Memory::new`].
    pub fn holding(card: &Arc<Card>, words: &[u32]) -> Result<Self, GpuError> {
        let memory = Self::new(card, words.len())?;
        // SAFETY: as many words were reserved just now, and nobody else knows of them.
        unsafe { result::memcpy_htod_sync(memory.address, words) }.map_err(during("copying to the device"))?;
        Ok(memory)
    }

    /// Its address on the card.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its size.
    pub fn words(&self) -> usize {
        self.words
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // A device that has failed cannot free either; then its memory goes with the process.
        if self.card.context.bind_to_thread().is_ok() {
            // SAFETY: it was reserved by `new`, and whoever gave it to the device to work on has waited for that (`Lane`).
            let _ = unsafe { result::free_sync(self.address) };
        }
    }
}

/// Says of a driver's error what was going on.
pub(crate) fn during(operation: &'static str) -> impl Fn(DriverError) -> GpuError {
    move |error| GpuError::Driver { operation, words: crate::cuda::words(error) }
}
