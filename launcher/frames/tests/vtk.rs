//! VTK files: what is written is read back to the bit, and nothing else is accepted.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rankzero_frames::{BodyLook, FrameDir, FrameError, Kind, Stamp, Surface, Volume};

const STAMP: Stamp = Stamp { step: 120, time_s: 0.1 + 0.2 };
const POINTS: [f32; 12] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, -0.0, 1e-40, f32::MAX];
const VELOCITY: [f32; 12] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];

fn surface() -> Surface {
    let mut mesh = Surface::new();
    let soft = BodyLook { body: 7, kind: Kind::Soft, colour: [1, 2, 3], rank: 3, batch: 9 };
    let rigid = BodyLook { body: u32::MAX, kind: Kind::Rigid, colour: [255, 0, 9], rank: 0, batch: 0 };
    mesh.append_body(&soft, &POINTS, &VELOCITY, &[[0, 1, 2], [0, 2, 3]]).unwrap();
    mesh.append_body(&rigid, &POINTS[..9], &[], &[[2, 1, 0]]).unwrap();
    mesh
}

fn volume() -> Volume {
    let mut mesh = Volume::new();
    mesh.append_body(&BodyLook::default(), &POINTS, &VELOCITY, &[[0, 1, 2, 3], [1, 0, 2, 3]]).unwrap();
    mesh
}

/// The bytes of the file that holds `mesh`.
fn file_of(mesh: &Surface) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vtp");
    mesh.write(&path, STAMP).unwrap();
    fs::read(path).unwrap()
}

fn parse(bytes: &[u8]) -> Result<(Stamp, Surface), FrameError> {
    Surface::parse(bytes, Path::new("x.vtp"))
}

#[test]
fn bodies_are_joined_with_their_indices_shifted() {
    let mesh = surface();
    assert_eq!(mesh.point_count(), 7);
    assert_eq!(mesh.cells, [[0, 1, 2], [0, 2, 3], [6, 5, 4]]);
    assert_eq!(mesh.body, [7, 7, 7, 7, u32::MAX, u32::MAX, u32::MAX]);
    assert_eq!(mesh.velocity[12..], [0.0; 9]);
}

#[test]
fn a_surface_and_a_volume_come_back_as_written() {
    let run = tempfile::tempdir().unwrap();
    let dir = FrameDir::create(run.path()).unwrap();
    let bytes = dir.write_surface(STAMP, 3, &surface()).unwrap();
    dir.write_volume(STAMP, 3, &volume()).unwrap();
    let path = run.path().join("frames/000120.r003.vtp");
    assert_eq!(fs::metadata(&path).unwrap().len(), bytes);
    assert_eq!(Surface::read(&path).unwrap(), (STAMP, surface()));
    assert_eq!(Volume::read(&run.path().join("frames/000120.r003.vtu")).unwrap(), (STAMP, volume()));
}

#[test]
fn an_empty_mesh_comes_back_empty() {
    let bytes = file_of(&Surface::new());
    assert_eq!(parse(&bytes).unwrap(), (STAMP, Surface::new()));
}

#[test]
fn positions_that_are_not_finite_are_kept() {
    let mut mesh = surface();
    mesh.points[4] = f32::NAN;
    mesh.velocity[2] = f32::NEG_INFINITY;
    let (_, back) = parse(&file_of(&mesh)).unwrap();
    let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back.points), bits(&mesh.points));
    assert_eq!(bits(&back.velocity), bits(&mesh.velocity));
}

#[test]
fn the_xml_is_well_formed_around_the_raw_block() {
    let bytes = file_of(&surface());
    let find = |what: &[u8]| bytes.windows(what.len()).position(|w| w == what).unwrap();
    let (start, end) = (find(b"\n_"), bytes.len() - b"\n  </AppendedData>\n</VTKFile>\n".len());
    let xml = [&bytes[..start], &bytes[end..]].concat();
    let mut reader = quick_xml::Reader::from_reader(xml.as_slice());
    reader.config_mut().check_end_names = true;
    let mut elements = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(tag) => {
                elements.push(String::from_utf8(tag.name().as_ref().to_vec()).unwrap());
            }
            _ => {}
        }
    }
    for expected in ["VTKFile", "PolyData", "Piece", "PointData", "Points", "Polys", "AppendedData"] {
        assert!(elements.iter().any(|e| e == expected), "{expected} in {elements:?}");
    }
}

#[test]
fn the_same_mesh_gives_the_same_bytes() {
    assert_eq!(file_of(&surface()), file_of(&surface()));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = file_of(&surface());
    for length in 0..bytes.len() {
        let error = parse(&bytes[..length]).unwrap_err();
        assert!(matches!(error, FrameError::Torn { .. } | FrameError::Foreign { .. }), "{length}: {error}");
        assert!(error.to_string().starts_with("x.vtp: "), "{error}");
    }
}

#[test]
fn counts_that_the_file_cannot_hold_are_refused() {
    let bytes = file_of(&surface());
    let header_end = bytes.windows(2).position(|w| w == b"\n_").unwrap();
    let header = std::str::from_utf8(&bytes[..header_end]).unwrap();
    for (from, to) in [
        ("NumberOfPoints=\"7\"", "NumberOfPoints=\"18446744073709551615\""),
        ("NumberOfPoints=\"7\"", "NumberOfPoints=\"8\""),
        ("NumberOfPolys=\"3\"", "NumberOfPolys=\"6148914691236517206\""),
        ("NumberOfPolys=\"3\"", "NumberOfPolys=\"-3\""),
        ("offset=\"0\"", "offset=\"18446744073709551610\""),
        ("Float32", "Float64"),
        ("Name=\"rank\"", "Name=\"rang\""),
        ("LittleEndian", "BigEndian"),
    ] {
        assert!(header.contains(from));
        let forged = [header.replacen(from, to, 1).as_bytes(), &bytes[header_end..]].concat();
        assert!(parse(&forged).is_err(), "{from} → {to}");
    }
}

#[test]
fn a_cell_that_names_no_point_is_refused_on_both_sides() {
    let mut mesh = surface();
    let bytes = file_of(&mesh);
    // The last corner of the last triangle, 4; the array before it ends the file but for `offsets`.
    let tail = b"\n  </AppendedData>\n</VTKFile>\n".len() + 8 + 3 * 4 + 4;
    let mut forged = bytes.clone();
    let at = forged.len() - tail;
    assert_eq!(forged[at], 4);
    forged[at] = 7;
    assert!(matches!(parse(&forged), Err(FrameError::Mesh { .. })));
    mesh.cells[2][2] = 7;
    assert!(mesh.write(Path::new("never-written.vtp"), STAMP).is_err());
    assert!(!Path::new("never-written.vtp").exists());
}

#[test]
fn other_files_are_foreign() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vtu");
    volume().write(&path, STAMP).unwrap();
    let error = Surface::read(&path).unwrap_err().to_string();
    assert!(error.contains("expected a data set of type PolyData, found UnstructuredGrid"), "{error}");
    assert!(matches!(Surface::read(folder.path()), Err(FrameError::Foreign { .. })));
    for content in ["", "solid", "<html></html>", "<VTKFile type='PolyData'>", "<AppendedData>_"] {
        let error = parse(content.as_bytes()).unwrap_err();
        assert!(matches!(error, FrameError::Torn { .. } | FrameError::Foreign { .. }), "{content}: {error}");
    }
}

#[test]
fn a_failed_write_names_the_file_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/a.vtp");
    let error = surface().write(&path, STAMP).unwrap_err();
    assert!(error.to_string().contains("missing/a.vtp"), "{error}");
    let mut broken = surface();
    broken.rank.pop();
    let error = broken.write(&folder.path().join("b.vtp"), STAMP).unwrap_err();
    assert_eq!(error.to_string(), "mesh: `rank` holds 6 entries for 7 points");
    // A folder in the way makes the last act, the renaming, fail.
    fs::create_dir(folder.path().join("c.vtp")).unwrap();
    surface().write(&folder.path().join("c.vtp"), STAMP).unwrap_err();
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["c.vtp"]);
}

#[test]
fn a_body_that_contradicts_itself_changes_nothing() {
    let mut mesh = surface();
    let look = BodyLook { body: 5, ..BodyLook::default() };
    for (points, velocity, cells) in [
        (&POINTS[..4], &VELOCITY[..0], vec![]),
        (&POINTS[..6], &VELOCITY[..3], vec![]),
        (&POINTS[..6], &VELOCITY[..6], vec![[0, 1, 2]]),
    ] {
        let error = mesh.append_body(&look, points, velocity, &cells).unwrap_err();
        assert!(error.to_string().starts_with("mesh: body 5: "), "{error}");
        assert_eq!(mesh, surface());
    }
}

proptest! {
    #[test]
    fn any_mesh_comes_back(
        coordinates in prop::collection::vec(any::<[f32; 3]>(), 1..40),
        corners in prop::collection::vec(any::<[u16; 3]>(), 0..60),
        body: u32,
        time_s in -1e12..1e12,
        step: u64,
    ) {
        let count = coordinates.len() as u32;
        let cells: Vec<[u32; 3]> = corners.iter().map(|c| c.map(|i| u32::from(i) % count)).collect();
        let mut mesh = Surface::new();
        let look = BodyLook { body, ..BodyLook::default() };
        mesh.append_body(&look, coordinates.as_flattened(), &[], &cells).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.vtp");
        let stamp = Stamp { step, time_s };
        mesh.write(&path, stamp).unwrap();
        let (found, back) = Surface::read(&path).unwrap();
        prop_assert_eq!(found, stamp);
        prop_assert_eq!(back.cells, mesh.cells);
        prop_assert!(back.points.iter().zip(&mesh.points).all(|(a, b)| a.to_bits() == b.to_bits()));
    }

    #[test]
    fn a_damaged_file_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = file_of(&surface());
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok((_, mesh)) = parse(&bytes) {
            mesh.check().unwrap();
        }
    }

    #[test]
    fn a_damaged_header_never_panics(at in any::<prop::sample::Index>(), length in 0usize..40, text in "[ -~]{0,20}") {
        let bytes = file_of(&surface());
        let header_end = bytes.windows(2).position(|w| w == b"\n_").unwrap();
        let start = at.index(header_end);
        let end = (start + length).min(header_end);
        let forged = [&bytes[..start], text.as_bytes(), &bytes[end..]].concat();
        if let Ok((_, mesh)) = parse(&forged) {
            mesh.check().unwrap();
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(parse(&bytes).is_err());
    }
}
