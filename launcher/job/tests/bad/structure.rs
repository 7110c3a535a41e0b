//! Mistakes of form: text, names, kinds of values, overrides.

use super::{Bad, file, set};

pub const TABLE: &[Bad] = &[
    file(
        "an empty file",
        "",
        "",
        &[
            "bad.yaml: a job is a map of fields, this is nothing\n  help: a job needs at least `name`, `time` and a body",
        ],
    ),
    file(
        "only a comment",
        "",
        "# nothing\n",
        &[
            "bad.yaml: a job is a map of fields, this is nothing\n  help: a job needs at least `name`, `time` and a body",
        ],
    ),
    file(
        "a list instead of a job",
        "",
        "- a\n- b\n",
        &[
            "bad.yaml: a job is a map of fields, this is a list of 2\n  help: a job needs at least `name`, `time` and a body",
        ],
    ),
    file(
        "a tab as indentation",
        "  - name: cubes",
        "\t- name: cubes",
        &[
            "bad.yaml:6:1: not valid YAML: found character that cannot start any token, while scanning for the next token\n  help: indent with spaces, not tabs, and quote text that begins with a special character",
        ],
    ),
    file(
        "a bracket that is never closed",
        "[2, 1, 1] } }",
        "[2, 1, 1",
        &[
            "bad.yaml:11:13: not valid YAML: did not find expected ',' or ']', while parsing a flow sequence at line 10 column 52",
        ],
    ),
    file(
        "two documents",
        "environment:",
        "---\nenvironment:",
        &[
            "bad.yaml: not valid YAML: deserializing from YAML containing more than one document is not supported\n  help: one file holds one job: remove the `---` between them",
        ],
    ),
    file(
        "a colon inside a text",
        "name: demo",
        "name: demo: second",
        &[
            "bad.yaml:1:11: not valid YAML: mapping values are not allowed in this context\n  help: a text that contains `: ` needs quotes; entries of one map begin in one column",
        ],
    ),
    file(
        "a field twice",
        "    count: 2",
        "    count: 2\n    count: 3",
        &["bad.yaml:10:5: `count` is given a second time"],
    ),
    file(
        "an alias without anchor",
        "material: rubber",
        "material: *rubber",
        &["bad.yaml:8:15: not valid YAML: unknown anchor"],
    ),
    file(
        "a tag",
        "material: rubber",
        "material: !soft rubber",
        &["bad.yaml:8:15: YAML tags (`!…`) have no meaning in a job file"],
    ),
    file(
        "a key that is no text",
        "name: demo",
        "name: demo\n[1, 2]: 3",
        &["bad.yaml:2:1: not valid YAML: invalid type: sequence, expected a name as the key of a map"],
    ),
    file(
        "aliases that blow up",
        "",
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e]\ng: [*f, *f, *f, *f, *f, *f, *f, *f]\n",
        &[
            "bad.yaml: not valid YAML: repetition limit exceeded\n  help: use fewer aliases inside aliases, and less nesting",
        ],
    ),
    file(
        "an anchor inside itself",
        "",
        "a: &a [*a, *a]\n",
        &[
            "bad.yaml:1:4: not valid YAML: recursion limit exceeded\n  help: use fewer aliases inside aliases, and less nesting",
        ],
    ),
    file(
        "a merge of a number",
        "material: rubber",
        "material: rubber\n    <<: 5",
        &["bad.yaml:9:9: soft_bodies[0].<<: `<<` merges a map or a list of maps, nothing else"],
    ),
    file(
        "a misspelt field",
        "young_pa",
        "yuong_pa",
        &["bad.yaml:4:34: materials.rubber.yuong_pa: unknown field `yuong_pa`\n  help: did you mean `young_pa`?"],
    ),
    file(
        "a field without its unit",
        "density_kg_m3: 1000,",
        "density: 1000,",
        &["bad.yaml:4:13: materials.rubber.density: unknown field `density`\n  help: did you mean `density_kg_m3`?"],
    ),
    file(
        "a field that is nowhere",
        "name: demo",
        "name: demo\ncolour_of_sky: blue",
        &["bad.yaml:2:1: colour_of_sky: unknown field `colour_of_sky`\n  help:"],
    ),
    file(
        "a misspelt section",
        "environment:",
        "enviroment:",
        &["bad.yaml:16:1: enviroment: unknown field `enviroment`\n  help: did you mean `environment`?"],
    ),
    file(
        "a misspelt shape",
        "box:",
        "bxo:",
        &[
            "bad.yaml:7:12: soft_bodies[0].shape: unknown choice `bxo`\n  help: did you mean `box`? allowed here: `box`, `sphere`, `torus`, `capsule`, `mesh`",
        ],
    ),
    file(
        "two shapes at once",
        "{ size_m: [1, 1, 1] }",
        "{ size_m: [1, 1, 1] }, sphere: { radius_m: 1 }",
        &[
            "bad.yaml:7:12: soft_bodies[0].shape: expected exactly one of `box`, `sphere`, `torus`, `capsule`, `mesh`, found a map of 2 (box, sphere)",
        ],
    ),
    file(
        "a shape without its size",
        "shape: { box: { size_m: [1, 1, 1] } }",
        "shape: box",
        &["bad.yaml:7:5: soft_bodies[0].shape.box: expected `box` with content, `{box: …}`, found its name alone"],
    ),
    file(
        "a misspelt strategy",
        "name: demo",
        "name: demo\nbalance: { strategy: least_loaded }",
        &[
            "bad.yaml:2:22: balance.strategy: unknown choice `least_loaded`\n  help: did you mean `least-loaded`? allowed here: `least-loaded`, `round-robin`, `capability`, `priority`",
        ],
    ),
    file(
        "a missing field",
        "    material: rubber\n",
        "",
        &["bad.yaml:6:5: soft_bodies[0].material: the field `material` is missing\n  help: add `material: …`"],
    ),
    file(
        "no time at all",
        "time: { steps: 100, substeps: 8 }\n",
        "",
        &["bad.yaml: time: the field `time` is missing\n  help: add `time: …`"],
    ),
    file(
        "a text for a number",
        "count: 2",
        "count: two",
        &["bad.yaml:9:12: soft_bodies[0].count: expected a whole number from 0 to 4294967295, found the text \"two\""],
    ),
    file(
        "a fraction for a whole number",
        "count: 2",
        "count: 2.5",
        &["bad.yaml:9:12: soft_bodies[0].count: expected a whole number from 0 to 4294967295, found the number 2.5"],
    ),
    file(
        "a negative count",
        "count: 2",
        "count: -2",
        &["bad.yaml:9:12: soft_bodies[0].count: expected a whole number from 0 to 4294967295, found the number -2"],
    ),
    file(
        "a number for a text",
        "name: demo",
        "name: 2024",
        &["bad.yaml:1:7: name: expected a text, found the number 2024\n  help: put it in quotes"],
    ),
    file(
        "two numbers for three",
        "[1, 1, 1]",
        "[1, 1]",
        &["bad.yaml:7:29: soft_bodies[0].shape.box.size_m: expected a list of 3 numbers, found a list of 2"],
    ),
    file(
        "four numbers for three",
        "[1, 1, 1]",
        "[1, 1, 1, 1]",
        &["bad.yaml:7:29: soft_bodies[0].shape.box.size_m: expected a list of 3 numbers, found a list of 4"],
    ),
    file(
        "a text among numbers",
        "[1, 1, 1]",
        "[1, 1m, 1]",
        &["bad.yaml:7:33: soft_bodies[0].shape.box.size_m[1]: expected a number, found the text \"1m\""],
    ),
    file(
        "nothing after a colon",
        "material: rubber",
        "material:",
        &[
            "bad.yaml:8:14: soft_bodies[0].material: expected a text, found nothing\n  help: write the value after the colon, or remove the line",
        ],
    ),
    file(
        "a field without value",
        "{ steps: 100, substeps: 8 }",
        "",
        &[
            "bad.yaml:2:6: time: expected a map of fields, found nothing\n  help: write the value after the colon, or remove the line",
        ],
    ),
    file(
        "a word that is not auto",
        "substeps: 8",
        "substeps: atuo",
        &[
            "bad.yaml:2:31: time.substeps: expected `auto` or a number, found the text \"atuo\"\n  help: did you mean `auto`?",
        ],
    ),
    file(
        "not a number",
        "radius_m: 0.5",
        "radius_m: .nan",
        &["bad.yaml:13:34: rigid_bodies[0].shape.sphere.radius_m: expected a finite number below 3.4e38, found NaN"],
    ),
    file(
        "more than a float holds",
        "radius_m: 0.5",
        "radius_m: 1e300",
        &["bad.yaml:13:34: rigid_bodies[0].shape.sphere.radius_m: expected a finite number below 3.4e38, found 1e300"],
    ),
    file(
        "a range of ports backwards",
        "name: demo",
        "name: demo\nnetwork: { control_ports: 9010-9001 }",
        &[
            "bad.yaml:2:27: network.control_ports: expected a range of TCP ports such as `9001-9010`, within 1-65535, or one port, found the text \"9010-9001\"\n  help: did you mean `9001-9010`?",
        ],
    ),
    file(
        "a colour by name",
        "count: 2",
        "colour: red",
        &[
            "bad.yaml:9:13: soft_bodies[0].colour: expected a colour such as \"#e07a5f\", in quotes, found the text \"red\"",
        ],
    ),
    file(
        "several mistakes of form",
        "",
        "nmae: demo\ntime: { steps: many }\nsoft_bodies:\n  - { name: a, shape: { box: {} } }\n  - { name: b, mat: rubber }\n",
        &[
            "bad.yaml:1:1: nmae: unknown field `nmae`\n  help: did you mean `name`?",
            "bad.yaml:2:16: time.steps: expected a whole number, 0 or more, found the text \"many\"",
            "bad.yaml:4:25: soft_bodies[0].shape.box.size_m: the field `size_m` is missing\n  help: add `size_m: …`",
            "bad.yaml:5:5: soft_bodies[1].shape: the field `shape` is missing\n  help: add `shape: …`",
            "bad.yaml:5:16: soft_bodies[1].mat: unknown field `mat`\n  help: did you mean `material`?",
        ],
    ),
    file(
        "a mistake inside an anchor",
        "steps: 100, substeps: 8 }",
        "steps: 100, substeps: &n 8.5 }\nseed: *n",
        &[
            "bad.yaml:2:31: seed: expected a whole number, 0 or more, found the number 8.5",
            "bad.yaml:2:31: time.substeps: expected a whole number from 0 to 4294967295, found the number 8.5",
        ],
    ),
    file(
        "a mistake that was merged in",
        "  - name: stone",
        "  - <<: { restituton: 0 }\n    name: stone",
        &[
            "bad.yaml:12:11: rigid_bodies[0].restituton: unknown field `restituton`\n  help: did you mean `restitution`?",
        ],
    ),
    set(
        "no equals sign",
        &["time.substeps"],
        &[
            "--set time.substeps: has no `=`; expected `path=value`\n  help: write `--set soft_bodies[0].count=3`, or `RANKZERO_JOB__soft_bodies__0__count=3` in the environment",
        ],
    ),
    set(
        "an empty value",
        &["time.substeps="],
        &["--set time.substeps=: has no value; write `null` to unset, or `\"\"` for an empty text"],
    ),
    set(
        "an index beyond the list",
        &["soft_bodies[3].count=1"],
        &["--set soft_bodies[3].count=1: `soft_bodies` has the items 0 to 0, not 3"],
    ),
    set(
        "a name for an index",
        &["soft_bodies.cubes.count=1"],
        &[
            "--set soft_bodies.cubes.count=1: `soft_bodies` is a list: it has numbers, not `cubes`, such as `soft_bodies[0]`",
        ],
    ),
    set(
        "a bracket without partner",
        &["soft_bodies[0.count=1"],
        &[
            "--set soft_bodies[0.count=1: the path has a `[` or `]` without its partner\n  help: write `--set soft_bodies[0].count=3`, or `RANKZERO_JOB__soft_bodies__0__count=3` in the environment",
        ],
    ),
    set(
        "a misspelt field on the command line",
        &["time.subteps=4"],
        &[
            "--set time.subteps=4: time.subteps: unknown field `subteps`\n  help: did you mean `substeps`? allowed here: `step_s`, `steps`, `duration_s`, `substeps`",
        ],
    ),
    set(
        "a wrong kind on the command line",
        &["time.substeps=many"],
        &["--set time.substeps=many: time.substeps: expected `auto` or a number, found the text \"many\""],
    ),
    set(
        "a value that is no YAML",
        &["time.substeps=[1"],
        &[
            "--set time.substeps=[1: the value is not valid YAML: did not find expected ',' or ']', while parsing a flow sequence",
        ],
    ),
    set(
        "a field below a number",
        &["seed=1", "seed.x=2"],
        &["--set seed.x=2: `seed` is the number 1, which has no fields"],
    ),
    Bad {
        mistake: "a wrong value in the environment",
        edit: ("name: demo", "name: demo"),
        set: &[],
        env: &[("RANKZERO_JOB__soft_bodies__0__count", "0")],
        says: &[
            "environment variable RANKZERO_JOB__soft_bodies__0__count=0: soft_bodies[0].count: must be at least 1, is 0",
        ],
    },
    Bad {
        mistake: "a misspelt field in the environment",
        edit: ("name: demo", "name: demo"),
        set: &[],
        env: &[("RANKZERO_JOB__time__sub_steps", "8")],
        says: &[
            "environment variable RANKZERO_JOB__time__sub_steps=8: time.sub_steps: unknown field `sub_steps`\n  help: did you mean `substeps`? allowed here: `step_s`, `steps`, `duration_s`, `substeps`",
        ],
    },
    Bad {
        mistake: "an empty name in the environment",
        edit: ("name: demo", "name: demo"),
        set: &[],
        env: &[("RANKZERO_JOB__time____substeps", "8")],
        says: &[
            "environment variable RANKZERO_JOB__time____substeps=8: the variable's name has an empty name between double underscores\n  help: write `--set soft_bodies[0].count=3`, or `RANKZERO_JOB__soft_bodies__0__count=3` in the environment",
        ],
    },
];
