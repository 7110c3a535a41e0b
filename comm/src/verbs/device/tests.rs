//! Tables of machines that were never built.

use super::*;

fn gid(text: &str) -> Gid {
    Gid(text.parse::<Ipv6Addr>().expect("an address").octets())
}

fn entry(index: u8, text: &str, kind: GidKind) -> GidEntry {
    GidEntry { index, gid: gid(text), kind }
}

fn roce(device: &str) -> PortFacts {
    PortFacts {
        device: device.into(),
        port: 1,
        state: "ACTIVE".into(),
        link: LinkLayer::Ethernet,
        gbit_s: 100,
        gids: vec![
            entry(0, "fe80::1", GidKind::RoceV1),
            entry(1, "fe80::1", GidKind::RoceV2),
            entry(2, "::ffff:10.0.0.1", GidKind::RoceV1),
            entry(3, "::ffff:10.0.0.1", GidKind::RoceV2),
        ],
        numa_node: Some(0),
        near: true,
    }
}

fn ib(device: &str) -> PortFacts {
    PortFacts {
        link: LinkLayer::InfiniBand,
        gids: vec![entry(0, "fe80::5054:ff:fe12:3456", GidKind::Ib), entry(1, "fe80::2", GidKind::Ib)],
        gbit_s: 400,
        ..roce(device)
    }
}

fn names(choice: &Choice) -> Vec<String> {
    choice.rails.iter().map(|rail| format!("{}:{}", rail.device, rail.port)).collect()
}

#[test]
fn roce_takes_version_2_over_ipv4() {
    let choice = choose(&[roce("mlx5_0")], &Wanted::default());
    assert_eq!(choice.rails[0].gid, entry(3, "::ffff:10.0.0.1", GidKind::RoceV2));
    assert!(choice.rejected.is_empty());
}

#[test]
fn without_ipv4_a_global_ipv6_address_comes_before_a_link_local_one() {
    let mut port = roce("mlx5_0");
    port.gids = vec![entry(1, "fe80::1", GidKind::RoceV2), entry(5, "2001:db8::1", GidKind::RoceV2)];
    assert_eq!(choose(&[port.clone()], &Wanted::default()).rails[0].gid.index, 5);
    port.gids.pop();
    assert_eq!(choose(&[port], &Wanted::default()).rails[0].gid.index, 1);
}

#[test]
fn version_1_alone_serves() {
    let mut port = roce("mlx4_0");
    port.gids.retain(|entry| entry.kind == GidKind::RoceV1);
    assert_eq!(choose(&[port], &Wanted::default()).rails[0].gid.index, 2);
}

#[test]
fn infiniband_takes_index_0() {
    let choice = choose(&[ib("mlx5_0")], &Wanted::default());
    assert_eq!((choice.rails[0].link, choice.rails[0].gid.index), (LinkLayer::InfiniBand, 0));
}

#[test]
fn what_does_not_serve_is_told_why() {
    let down = PortFacts { state: "DOWN".into(), ..roce("mlx5_1") };
    let bare = PortFacts { gids: vec![], ..roce("mlx5_2") };
    let iwarp = PortFacts { link: LinkLayer::Other, ..roce("siw0") };
    let choice = choose(&[down, bare, iwarp], &Wanted::default());
    assert!(choice.rails.is_empty());
    assert_eq!(choice.rejected[0], "mlx5_1 port 1 is down");
    assert!(choice.rejected[1].starts_with("mlx5_2 port 1 has no GID: give"), "{}", choice.rejected[1]);
    assert!(choice.rejected[2].contains("iWARP has no write with immediate"), "{}", choice.rejected[2]);
}

#[test]
fn equal_near_ports_are_rails() {
    let far = PortFacts { near: false, numa_node: Some(1), ..ib("mlx5_3") };
    let slow = PortFacts { gbit_s: 25, ..ib("mlx5_0") };
    let ports = [far, ib("mlx5_2"), slow, ib("mlx5_1"), roce("bond_0")];
    let choice = choose(&ports, &Wanted::default());
    assert_eq!(names(&choice), ["mlx5_1:1", "mlx5_2:1"]);
    let told = choice.rejected.join("; ");
    assert!(told.contains("mlx5_3 port 1 is on NUMA node 1, away from this process's cores"), "{told}");
    assert!(told.contains("mlx5_0 port 1 has 25 Gbit/s, mlx5_1 port 1 has 400 Gbit/s"), "{told}");
    assert!(told.contains("bond_0 port 1 speaks RoCE v2, mlx5_1 port 1 speaks InfiniBand"), "{told}");
}

#[test]
fn a_far_port_serves_where_none_is_near() {
    let choice = choose(&[PortFacts { near: false, ..ib("mlx5_3") }], &Wanted::default());
    assert_eq!(names(&choice), ["mlx5_3:1"]);
}

#[test]
fn the_user_narrows_the_choice() {
    let second = PortFacts { port: 2, ..ib("mlx5_0") };
    let ports = [ib("mlx5_0"), second, ib("mlx5_1")];
    let only = |wanted: Wanted| names(&choose(&ports, &wanted));
    assert_eq!(only(Wanted { device: Some("mlx5_0".into()), ..Wanted::default() }), ["mlx5_0:1", "mlx5_0:2"]);
    assert_eq!(only(Wanted { device: Some("mlx5_0:2".into()), ..Wanted::default() }), ["mlx5_0:2"]);
    assert_eq!(only(Wanted { route: Some(("mlx5_1".into(), 1)), ..Wanted::default() }), ["mlx5_1:1"]);
    assert_eq!(only(Wanted { rails: 1, ..Wanted::default() }), ["mlx5_0:1"]);
}

#[test]
fn gids_are_told_apart() {
    assert!(gid("::ffff:10.77.0.1").is_ipv4());
    assert!(!gid("2001:db8::1").is_ipv4());
    assert!(gid("fe80::1").is_link_local() && !gid("2001:db8::1").is_link_local());
    assert!(gid("fe80::").is_unset() && !gid("fe80::1").is_unset());
    assert_eq!(format!("{}", gid("::ffff:10.77.0.1")), "::ffff:10.77.0.1");
}
