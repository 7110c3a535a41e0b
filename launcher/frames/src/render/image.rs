//! A picture and its files.

use std::io::{self, Write};
use std::path::Path;

use crate::FrameError;
use crate::vtk::save;

/// A picture, 8 bits a channel, sRGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green, blue of each pixel, from the top left, row by row: `3·width·height` bytes.
    pub rgb: Vec<u8>,
}

impl Image {
    /// Writes a PNG; the file at `path` is replaced as a whole or not at all.
    ///
    /// # Errors
    /// [`FrameError::Io`] where the disk refuses.
    pub fn write_png(&self, path: &Path) -> Result<(), FrameError> {
        save(path, |out| {
            let mut writer = encoder(out, self.width, self.height).write_header().map_err(io::Error::other)?;
            writer.write_image_data(&self.rgb).map_err(io::Error::other)?;
            writer.finish().map_err(io::Error::other)
        })
        .map(|_| ())
    }
}

fn encoder<'a, W: Write>(out: W, width: u32, height: u32) -> png::Encoder<'a, W> {
    let mut encoder = png::Encoder::new(out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    encoder
}

/// Writes an animated PNG of `count` pictures of equal size that `picture` draws one by one, `fps` a second, in an
/// endless loop.
///
/// # Errors
/// [`FrameError::Io`] where the disk refuses; what `picture` returns.
pub(super) fn write_animation(
    path: &Path,
    size: [u32; 2],
    count: u32,
    fps: u16,
    mut picture: impl FnMut(u32) -> Result<Image, FrameError>,
) -> Result<(), FrameError> {
    let mut failed = None;
    let written = save(path, |out| {
        let mut encoder = encoder(out, size[0], size[1]);
        encoder.set_animated(count, 0).map_err(io::Error::other)?;
        encoder.set_frame_delay(1, fps).map_err(io::Error::other)?;
        let mut writer = encoder.write_header().map_err(io::Error::other)?;
        for index in 0..count {
            let image = picture(index).map_err(|e| {
                failed = Some(e);
                io::Error::other("no picture")
            })?;
            writer.write_image_data(&image.rgb).map_err(io::Error::other)?;
        }
        writer.finish().map_err(io::Error::other)
    });
    // The cause comes before its consequence.
    failed.map_or(written.map(|_| ()), Err)
}
