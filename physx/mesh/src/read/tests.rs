//! Each format read back from hand-written files, and a table of bad ones with what the message must say.

use super::*;

const TET_POINTS: [[f32; 3]; 4] = [[0., 0., 0.], [1., 0., 0.], [0., 1., 0.], [0., 0., 1.]];
const FACES: [[u32; 3]; 4] = [[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]];

fn surface(bytes: &[u8], format: Format) -> SurfaceMesh {
    match parse(bytes, format, "test").unwrap() {
        MeshFile::Surface(mesh) => mesh,
        MeshFile::Tet(_) => panic!("expected a surface"),
    }
}

fn tets(bytes: &[u8], format: Format) -> TetMesh {
    match parse(bytes, format, "test").unwrap() {
        MeshFile::Tet(mesh) => mesh,
        MeshFile::Surface(_) => panic!("expected tetrahedra"),
    }
}

fn assert_is_the_tetrahedron(mesh: &SurfaceMesh) {
    assert_eq!(mesh.points.len(), 4);
    assert_eq!(mesh.triangles.len(), 4);
    assert!((mesh.volume() - 1.0 / 6.0).abs() < 1e-7, "{mesh:?}");
}

#[test]
fn obj_reads_polygons_relative_indices_and_ignores_materials() {
    let text = "# c\nmtllib no.mtl\no a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0 0\nusemtl m\nf 2/1 3/1 4/1\nf 1 4 3\nf 1 2 4\nf -4 -2 -3\n";
    assert_is_the_tetrahedron(&surface(text.as_bytes(), Format::Obj));
    let quad = surface(b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n", Format::Obj);
    assert_eq!(quad.triangles.len(), 2);
}

fn ascii_stl(head: &str) -> String {
    let facet = |f: [u32; 3]| {
        let corner = |i: u32| {
            let [x, y, z] = TET_POINTS[i as usize];
            format!("vertex {x} {y} {z}\n")
        };
        format!("facet normal 0 0 0\nouter loop\n{}endloop\nendfacet\n", f.map(corner).concat())
    };
    format!("{head}\n{}endsolid\n", FACES.map(facet).concat())
}

fn binary_stl(head: &[u8]) -> Vec<u8> {
    let mut out = head.to_vec();
    out.resize(80, b' ');
    out.extend_from_slice(&4u32.to_le_bytes());
    for face in FACES {
        out.extend_from_slice(&[0; 12]);
        face.iter().flat_map(|&i| TET_POINTS[i as usize]).for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
        out.extend_from_slice(&[0; 2]);
    }
    out
}

#[test]
fn stl_reads_ascii_and_binary_whatever_the_header_says_and_welds() {
    for head in ["solid", "solid name", "  solid x y"] {
        assert_is_the_tetrahedron(&surface(ascii_stl(head).as_bytes(), Format::Stl));
    }
    for head in [&b"solid pretends to be ascii"[..], b"", b"binary"] {
        assert_is_the_tetrahedron(&surface(&binary_stl(head), Format::Stl));
    }
    let two = format!("{}\n{}", ascii_stl("solid a"), ascii_stl("solid b"));
    assert_eq!(surface(two.as_bytes(), Format::Stl).triangles.len(), 8);
}

fn ply(format: &str) -> Vec<u8> {
    let mut out = format!(
        "ply\nformat {format} 1.0\ncomment c\nelement vertex 4\nproperty float x\nproperty double y\nproperty float z\n\
         property uchar red\nelement face 4\nproperty list uchar int vertex_indices\nend_header\n"
    )
    .into_bytes();
    for [x, y, z] in TET_POINTS {
        match format {
            "ascii" => out.extend_from_slice(format!("{x} {y} {z} 7\n").as_bytes()),
            _ => {
                let big = format == "binary_big_endian";
                let mut put = |mut bytes: Vec<u8>| {
                    if big {
                        bytes.reverse();
                    }
                    out.extend(bytes);
                };
                put(x.to_le_bytes().to_vec());
                put(f64::from(y).to_le_bytes().to_vec());
                put(z.to_le_bytes().to_vec());
                out.push(7);
            }
        }
    }
    for face in FACES {
        match format {
            "ascii" => out.extend_from_slice(format!("3 {} {} {}\n", face[0], face[1], face[2]).as_bytes()),
            "binary_big_endian" => {
                out.push(3);
                face.iter().for_each(|i| out.extend_from_slice(&i.to_be_bytes()));
            }
            _ => {
                out.push(3);
                face.iter().for_each(|i| out.extend_from_slice(&i.to_le_bytes()));
            }
        }
    }
    out
}

#[test]
fn ply_reads_every_encoding() {
    for format in ["ascii", "binary_little_endian", "binary_big_endian"] {
        assert_is_the_tetrahedron(&surface(&ply(format), Format::Ply));
    }
}

const MSH2: &str = "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$PhysicalNames\n1\n3 1 \"a b\"\n$EndPhysicalNames\n$Nodes\n4\n10 0 0 0\n20 1 0 0\n30 0 1 0\n40 0 0 1\n\
                    $EndNodes\n$Elements\n2\n1 2 2 0 1 20 30 40\n2 4 2 0 1 10 20 30 40\n$EndElements\n";
const MSH4: &str = "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Entities\n0 0 0 1\n1 0 0 0 1 1 1 0 0\n$EndEntities\n$Nodes\n1 4 1 40\n3 1 0 4\n10\n20\n30\n40\n\
                    0 0 0\n1 0 0\n0 1 0\n0 0 1\n$EndNodes\n$Elements\n1 1 1 1\n3 1 4 1\n1 10 20 30 40\n$EndElements\n";

#[test]
fn msh_reads_both_versions_in_ascii() {
    for text in [MSH2, MSH4] {
        let mesh = tets(text.as_bytes(), Format::Msh);
        assert_eq!(mesh.points, TET_POINTS);
        assert_eq!(mesh.tets, [[0, 1, 2, 3]]);
    }
}

#[test]
fn msh_reads_both_versions_in_binary_of_either_endianness() {
    for big in [false, true] {
        let fix = |mut bytes: Vec<u8>| {
            if big {
                bytes.reverse();
            }
            bytes
        };
        let int = |i: i32| fix(i.to_le_bytes().to_vec());
        let size = |i: u64| fix(i.to_le_bytes().to_vec());
        let real = |x: f32| fix(f64::from(x).to_le_bytes().to_vec());
        let head = |version: &str| {
            [format!("$MeshFormat\n{version} 1 8\n").into_bytes(), int(1), b"\n$EndMeshFormat\n$Nodes\n".to_vec()]
                .concat()
        };
        let mut old = [head("2.2"), b"4\n".to_vec()].concat();
        for (tag, p) in (1..).zip(TET_POINTS) {
            old.extend([int(tag), real(p[0]), real(p[1]), real(p[2])].concat());
        }
        old.extend_from_slice(b"\n$EndNodes\n$Elements\n1\n");
        old.extend([4, 1, 2, 1, 0, 1, 1, 2, 3, 4].map(int).concat());
        old.extend_from_slice(b"\n$EndElements\n");
        assert_eq!(tets(&old, Format::Msh).tets, [[0, 1, 2, 3]]);

        let mut new = [head("4.1"), [1, 4, 1, 4].map(size).concat(), [3, 1, 0].map(int).concat(), size(4)].concat();
        new.extend([1, 2, 3, 4].map(size).concat());
        TET_POINTS.iter().flatten().for_each(|&x| new.extend(real(x)));
        new.extend_from_slice(b"\n$EndNodes\n$Elements\n");
        new.extend([[1, 1, 1, 1].map(size).concat(), [3, 1, 4].map(int).concat(), size(1)].concat());
        new.extend([1, 1, 2, 3, 4].map(size).concat());
        new.extend_from_slice(b"\n$EndElements\n");
        let mesh = tets(&new, Format::Msh);
        assert_eq!((mesh.points.as_slice(), mesh.tets.as_slice()), (&TET_POINTS[..], &[[0, 1, 2, 3]][..]));
    }
}

const VTK: &str = "# vtk DataFile Version 3.0\nt\nASCII\nDATASET UNSTRUCTURED_GRID\nPOINTS 4 float\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n\
                   CELLS 2 9\n4 0 1 2 3\n3 1 2 3\n\nCELL_TYPES 2\n10\n5\n";
const VTU: &str = r#"<?xml version="1.0"?><VTKFile type="UnstructuredGrid" version="0.1" byte_order="LittleEndian"><UnstructuredGrid>
<Piece NumberOfPoints="4" NumberOfCells="1"><Points><DataArray type="Float32" NumberOfComponents="3" format="ascii">0 0 0 1 0 0 0 1 0 0 0 1</DataArray></Points>
<Cells><DataArray type="Int64" Name="connectivity" format="ascii">0 1 2 3</DataArray><DataArray type="Int64" Name="offsets" format="ascii">4</DataArray>
<DataArray type="UInt8" Name="types" format="ascii">10</DataArray></Cells></Piece></UnstructuredGrid></VTKFile>"#;

#[test]
fn vtk_and_vtu_read_tetrahedra() {
    for (text, format) in [(VTK, Format::Vtk), (VTU, Format::Vtu)] {
        let mesh = tets(text.as_bytes(), format);
        assert_eq!(mesh.points, TET_POINTS);
        assert_eq!(mesh.tets, [[0, 1, 2, 3]]);
    }
}

#[test]
fn every_bad_file_is_refused_with_its_name_and_what_is_wrong() {
    let ply_with = |from: &str, to: &str| String::from_utf8(ply("ascii")).unwrap().replace(from, to).into_bytes();
    let msh2 = |from: &str, to: &str| MSH2.replace(from, to).into_bytes();
    let msh4 = |from: &str, to: &str| MSH4.replace(from, to).into_bytes();
    let vtk = |from: &str, to: &str| VTK.replace(from, to).into_bytes();
    let vtu = |from: &str, to: &str| VTU.replace(from, to).into_bytes();
    let cut = |bytes: Vec<u8>, end: usize| bytes[..bytes.len() - end].to_vec();
    let cases: Vec<(Format, Vec<u8>, &str)> = vec![
        (Format::Obj, b"".to_vec(), "no faces"),
        (Format::Obj, b"v 0 0 0\nv 1 x 0\n".to_vec(), "line 2: position parse error"),
        (Format::Obj, b"v 0 0 0\n\nf 1 2 3\n".to_vec(), "line 3: face vertex index out of bounds"),
        (Format::Obj, b"v 0 0 0\nf 1 q 3\n".to_vec(), "line 2: face parse error"),
        (Format::Obj, b"\xff\xfe\n".to_vec(), "line 1"),
        (Format::Stl, b"".to_vec(), "84 bytes"),
        (Format::Stl, cut(binary_stl(b"x"), 20), "4 triangles need 284 bytes, but there are 264"),
        (Format::Stl, ascii_stl("solid").replace("outer", "inner").into_bytes(), "line 3: expected [\"outer\""),
        (Format::Stl, b"solid a\nfacet normal 0 0 0\nouter loop\nvertex 0 nan 0\n".to_vec(), "line 4: expected finite"),
        (Format::Stl, b"solid a\n".to_vec(), "EOF"),
        (Format::Stl, b"solid a\nendsolid a\n".to_vec(), "no triangles"),
        (Format::Ply, b"ply\nformat ascii 1.0\nelement".to_vec(), "line 3"),
        (Format::Ply, ply_with("vertex 4", "vertex 400000000000"), "cannot fit"),
        (Format::Ply, ply_with("property double y\n", ""), "no \"vertex\" element with x, y and z"),
        (Format::Ply, ply_with("3 1 2 3", "3 1 2 -3"), "face 0 refers to vertex -3"),
        (Format::Ply, cut(ply("binary_little_endian"), 5), "Unexpected end of file"),
        (Format::Ply, ply_with("1 0 0 7", "1 zero 0 7"), "line 13"),
        (Format::Msh, b"$Nodes\n".to_vec(), "line 1: expected $MeshFormat"),
        (Format::Msh, msh2("2.2 0", "1.0 0"), "MSH version 1.0"),
        (Format::Msh, msh2("4\n10", "4000000000\n10"), "line 9: 4000000000 nodes cannot fit"),
        (Format::Msh, msh2("20 1 0 0", "20 1 a 0"), "line 11: \"a\" is not the number"),
        (Format::Msh, msh2("20 1 0 0", "10 1 0 0"), "node 10 is defined twice"),
        (Format::Msh, msh2("20 30 40\n$End", "20 30 50\n$End"), "node 50, which is not defined"),
        (Format::Msh, msh2("2 4 2 0 1 10 20 30 40", "2 5 2 0 1 10 20 30 40"), "a hexahedron"),
        (Format::Msh, msh4("3 1 4 1\n", "3 1 11 1\n"), "higher order (type 11)"),
        (Format::Msh, msh4("1 4 1 40", "99999999999999999999 4 1 40"), "is not the number"),
        (Format::Msh, msh4("$EndEntities", "$EndEntity"), "$Entities has no $EndEntities"),
        (Format::Msh, MSH4.as_bytes()[..MSH4.len() - 20].to_vec(), "ends too early"),
        (Format::Vtk, b"hello".to_vec(), "# vtk DataFile"),
        (Format::Vtk, vtk("POINTS 4", "POINTS 4000000000"), "test"),
        (Format::Vtk, vtk("\n10\n5", "\n12\n5"), "Hexahedron"),
        (Format::Vtk, vtk("4 0 1 2 3", "9 0 1 2 3"), "own lengths"),
        (Format::Vtu, vtu("</Piece>", "</Pie>"), "test"),
        (Format::Vtu, vtu(">4<", ">7<"), "connectivity"),
        (Format::Vtu, vtu("<Points>", "<Pts>"), "test"),
        (Format::Vtu, b"".to_vec(), "test"),
    ];
    for (format, bytes, expected) in cases {
        let message = match parse(&bytes, format, "test") {
            Ok(mesh) => panic!("{format:?} {:?} was read as {mesh:?}", String::from_utf8_lossy(&bytes)),
            Err(error) => error.to_string(),
        };
        assert!(
            message.starts_with("test") && message.contains(expected),
            "{format:?}: {message:?} lacks {expected:?}"
        );
        assert!(message.contains("; "), "{message:?} has no remedy");
    }
}

#[test]
fn files_are_found_by_extension_and_missing_ones_are_named() {
    assert_eq!(Format::of(Path::new("a/b.StL")), Some(Format::Stl));
    assert!(read(Path::new("mesh.step")).unwrap_err().to_string().contains("unknown mesh format"));
    assert!(read(Path::new("/no/such/mesh.obj")).unwrap_err().to_string().contains("/no/such/mesh.obj"));
}
