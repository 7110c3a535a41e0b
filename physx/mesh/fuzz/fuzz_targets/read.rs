//! Feeds every mesh reader, mending, and the cooked-mesh decoder. The first byte picks the reader.
#![no_main]

use std::panic;
use std::sync::Once;

use libfuzzer_sys::{Corpus, fuzz_target};
use rankzero_mesh::{CookedMesh, Format, MeshFile, mend, parse};

/// Libraries whose panics the readers contain; see `Source::contain`.
const CONTAINED: [&str; 5] = ["/vtkio-", "/nom-", "/tobj-", "/ply-rs-bw-", "/quick-xml-"];

/// libFuzzer's hook aborts on any panic; those that the product catches must pass.
fn let_contained_panics_pass() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let abort = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let from = info.location().map_or("", |location| location.file());
            if !CONTAINED.iter().any(|library| from.contains(library)) {
                abort(info);
            }
        }));
    });
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let_contained_panics_pass();
    let Some((&pick, bytes)) = data.split_first() else { return Corpus::Reject };
    let format = match pick % 7 {
        0 => Format::Obj,
        1 => Format::Stl,
        2 => Format::Ply,
        3 => Format::Msh,
        4 => Format::Vtk,
        5 => Format::Vtu,
        _ => {
            if let Ok(mesh) = CookedMesh::from_bytes(bytes) {
                assert_eq!(mesh.to_bytes(), bytes);
            }
            return Corpus::Keep;
        }
    };
    match parse(bytes, format, "fuzz") {
        Ok(MeshFile::Surface(mesh)) => {
            if let Ok((mended, _)) = mend::surface(mesh) {
                assert!(mended.volume() > 0.0);
            }
        }
        Ok(MeshFile::Tet(mesh)) => {
            if let Ok((mended, _)) = mend::tets(mesh) {
                assert!(mended.volume() > 0.0);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    Corpus::Keep
});
