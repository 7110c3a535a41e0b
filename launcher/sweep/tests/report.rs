//! The report as a file: whole, by itself, and without a word that is taken for markup.

mod sweeps;

use quick_xml::Reader;
use quick_xml::events::Event;
use rankzero_sweep::{Analysis, Machine, Outcome, Scaling, report};
use sweeps::{all, manifest, record};

/// Names of all tags, and all text; panics where it is no well-formed XML.
fn parsed(page: &str) -> (Vec<String>, String) {
    let mut reader = Reader::from_str(page);
    reader.config_mut().check_end_names = true;
    let (mut tags, mut text, mut open) = (Vec::new(), String::new(), 0i32);
    loop {
        let event = reader.read_event().unwrap_or_else(|error| panic!("{error} at {}", reader.buffer_position()));
        let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match &event {
            Event::Start(tag) => {
                open += 1;
                tags.push(name(tag.name().as_ref()));
            }
            Event::Empty(tag) => tags.push(name(tag.name().as_ref())),
            Event::End(_) => open -= 1,
            Event::Text(words) => text += &words.unescape().expect("known entities"),
            Event::Eof => break,
            _ => {}
        }
        if let Event::Start(tag) | Event::Empty(tag) = &event {
            for attribute in tag.attributes() {
                let attribute = attribute.expect("a well-formed attribute");
                let key = name(attribute.key.as_ref());
                assert!(
                    !["src", "href", "xlink:href", "action", "srcset"].contains(&key.as_str()),
                    "{key} refers to something"
                );
                assert!(!key.starts_with("on"), "{key} is a script");
            }
        }
    }
    assert_eq!(open, 0, "all tags are closed");
    (tags, text)
}

fn check(page: &str) -> (Vec<String>, String) {
    let (tags, text) = parsed(page);
    for refers in ["script", "link", "img", "iframe", "object", "embed", "image", "use"] {
        assert!(!tags.iter().any(|tag| tag == refers), "<{refers}>");
    }
    for word in ["url(", "@import", "javascript:"] {
        assert!(!page.contains(word), "{word}");
    }
    // Names of XML's vocabularies are the only addresses.
    let addresses = page.matches("http").count();
    let names = page.matches("http://www.w3.org/2000/svg").count()
        + page.matches("http://www.w3.org/1999/xhtml").count()
        + page.matches("http-equiv").count();
    assert_eq!(addresses, names);
    assert!(page.contains("default-src 'none'"));
    (tags, text)
}

#[test]
fn a_report_is_well_formed_and_refers_to_nothing() {
    for (scaling, cpus) in [(Scaling::Strong, 64), (Scaling::Strong, 2), (Scaling::Weak, 4)] {
        let manifest = manifest(scaling, &[1, 2, 4, 8], 3, cpus);
        let records = all(&manifest);
        let page = report::page(&Analysis::of(&manifest, &records), &records).expect("a page");
        let (tags, text) = check(&page);
        assert_eq!(tags.iter().filter(|tag| *tag == "svg").count(), 4);
        assert!(text.contains("Speed-up") && text.contains("Runs"));
        let shaded = text.matches("more threads than cores").count();
        assert_eq!(shaded, if cpus < 8 { 3 } else { 0 }, "{cpus}");
    }
}

#[test]
fn the_picture_is_an_svg_by_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let manifest = manifest(Scaling::Strong, &[1, 2, 4, 8], 3, 2);
    let records = all(&manifest);
    let page = report::write(dir.path(), &Analysis::of(&manifest, &records), &records).expect("written");
    check(&std::fs::read_to_string(page).expect("a page"));
    let picture = std::fs::read_to_string(dir.path().join("scaling.svg")).expect("a picture");
    let (tags, text) = parsed(&picture);
    assert_eq!(tags[0], "svg");
    assert!(text.contains("Speed-up") && text.contains("CPU seconds of the same work"));
}

#[test]
fn hostile_words_are_only_words() {
    let hostile = "</title></td></p><script>alert(\"1\")</script><img src=x onerror='x'>&\u{1}\u{0}\u{ffff}";
    let mut manifest = manifest(Scaling::Strong, &[1, 2], 1, 2);
    manifest.plan.name = hostile.to_owned();
    let word = || hostile.to_owned();
    manifest.machine = Machine {
        host: word(),
        cpu: word(),
        kernel: word(),
        mpi: word(),
        slurm: Some(word()),
        rankzero: word(),
        build: word(),
        checkout: Some(word()),
        ..manifest.machine
    };
    let points = manifest.plan.points();
    let mut records = all(&manifest);
    for record in &mut records {
        record.command = word();
        record.began = word();
        let Outcome::Done { measure } = &mut record.outcome else { panic!("done") };
        measure.digest = hostile.to_owned() + &record.point.to_string();
        measure.time_split.insert(word(), 1.0);
        measure.bytes_by_fabric[0].fabric = word();
    }
    records.push(record(&manifest, points[1], Outcome::Failed { why: word() }));
    let page = report::page(&Analysis::of(&manifest, &records), &records).expect("a page");
    let (_, text) = check(&page);
    assert!(text.contains("<script>alert(\"1\")</script>"), "it is shown as it is");
    let differ = Analysis::of(&manifest, &records[..2]);
    check(&report::page(&differ, &records[..2]).expect("a page"));
}

#[test]
fn a_sweep_without_results_has_a_report_too() {
    let manifest = manifest(Scaling::Strong, &[1, 2], 2, 2);
    let page = report::page(&Analysis::of(&manifest, &[]), &[]).expect("a page");
    let (_, text) = check(&page);
    assert!(text.contains("No run has ended well yet"));
    let points = manifest.plan.points();
    let failed = [record(&manifest, points[0], Outcome::Failed { why: "it ended with exit code 3".to_owned() })];
    let page = report::page(&Analysis::of(&manifest, &failed), &failed).expect("a page");
    assert!(check(&page).1.contains("it ended with exit code 3"));
}

#[test]
fn one_size_and_absurd_numbers_can_be_drawn() {
    for value in [1e-300, 1e300] {
        let manifest = manifest(Scaling::Strong, &[3], 1, 2);
        let mut records = all(&manifest);
        let Outcome::Done { measure } = &mut records[0].outcome else { panic!("done") };
        (measure.wall_s, measure.cpu_steps_s) = (value, 1.0 / value);
        check(&report::page(&Analysis::of(&manifest, &records), &records).expect("a page"));
    }
}
